"""The roles of SSMMP: the graph file, the pure Manager (`manager`), the pure agent (`agent`)."""
