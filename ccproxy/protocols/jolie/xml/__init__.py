"""Values as XML: a parser that refuses what is dangerous, XML to values, values to XML. Pure."""
