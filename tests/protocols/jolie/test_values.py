from ccproxy.protocols.jolie.values import Long, Tree, Value, io_fault, walk


def test_a_tree_is_its_own_tree_and_compares_by_content():
    tree = Tree(1, {"a": [Tree("x"), Tree()]})
    assert tree.tree() is tree
    assert tree == Tree(1, {"a": [Tree("x"), Tree()]}) != Tree(1)
    assert isinstance(tree, Value) and tree.size == 0


def test_a_long_equals_the_int_of_the_same_number():
    assert Long(5) == 5 and isinstance(Long(5), int)


def test_a_failure_is_the_fault_that_jolie_programs_catch():
    assert io_fault("why") == ("IOException", Tree("why"))


def test_a_walk_names_the_place_of_every_node():
    tree = Tree(None, {"a": [Tree(1), Tree(2, {"b": [Tree(3)]})]})
    found = {place: node.payload for place, node in walk(tree)}
    assert found == {"": None, ".a[0]": 1, ".a[1]": 2, ".a[1].b[0]": 3}
