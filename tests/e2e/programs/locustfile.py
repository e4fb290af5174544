"""What test_programs.py asks of locust: users that count requests, without a server to ask."""

import json

from locust import User, constant, events, task
from locust.runners import WorkerRunner


class Counter(User):
    wait_time = constant(0.05)
    done = 0

    @task
    def ask(self):
        self.environment.events.request.fire(
            request_type="COUNT",
            name="one",
            response_time=1,
            response_length=10,
            exception=None,
            context={},
        )
        Counter.done += 1


@events.quitting.add_listener
def say(environment, **more):
    """A worker says what it has done; the master prints its statistics by itself."""
    if isinstance(environment.runner, WorkerRunner):
        print(json.dumps({"done": Counter.done}), flush=True)
