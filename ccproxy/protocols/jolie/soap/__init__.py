"""Calls as SOAP 1.1 over HTTP, without WSDL."""
