"""What processes took of the processor between two looks."""

from tests.soak.processes import cpu_spent


def test_what_ended_meanwhile_takes_nothing_back():
    before = {(1, 10.0): ("bridge", 5.0), (2, 10.0): ("function order", 30.0)}
    after = {(1, 10.0): ("bridge", 6.5), (3, 60.0): ("function order", 0.5)}
    assert cpu_spent(before, after) == {"bridge": 1.5, "function order": 0.5}


def test_a_pid_given_again_is_another_process_and_a_role_may_change():
    before = {(1, 10.0): ("localstack: templates", 2.0), (2, 10.0): ("function order", 9.0)}
    after = {(1, 10.0): ("function order", 2.25), (2, 99.0): ("function order", 1.0)}
    assert cpu_spent(before, after) == {"function order": 1.25}
