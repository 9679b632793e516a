from optimizer.cost_benefit.pareto import dominated_by


def test_an_option_that_is_worse_on_every_count_is_dominated_by_name() -> None:
    front = dominated_by({"good": (2.0, 2.0), "bad": (1.0, 2.0), "other": (0.0, 3.0)})

    assert front == {"good": None, "bad": "good", "other": None}


def test_equal_options_do_not_dominate_each_other() -> None:
    assert dominated_by({"a": (1.0,), "b": (1.0,)}) == {"a": None, "b": None}


def test_options_compare_only_where_they_know_the_same() -> None:
    assert dominated_by({"a": (9.0, None), "b": (1.0, 1.0)}) == {"a": None, "b": None}
    assert dominated_by({"a": (9.0, None), "b": (1.0, None)}) == {"a": None, "b": "a"}


def test_a_dominated_option_names_one_of_the_front() -> None:
    assert dominated_by({"a": (1.0,), "b": (2.0,), "c": (3.0,)}) == {"a": "c", "b": "c", "c": None}


def test_no_options_have_no_front() -> None:
    assert dominated_by({}) == {}
