"""What test_programs.py asks of locust: users that count requests, without a server to ask."""

import json

import gevent
from locust import User, constant, events, task
from locust.runners import MasterRunner, WorkerRunner

WORKERS = 2


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


counting = set()


@events.init.add_listener
def end_when_all_count(environment, **more):
    """The master ends the run as soon as each worker has reported requests."""

    def reported(client_id, data):
        if data["stats_total"]["num_requests"]:
            counting.add(client_id)
        if len(counting) == WORKERS:
            gevent.spawn(environment.runner.quit)

    if isinstance(environment.runner, MasterRunner):
        environment.events.worker_report.add_listener(reported)


@events.quitting.add_listener
def say(environment, **more):
    """A worker says what it has done; the master prints its statistics by itself."""
    if isinstance(environment.runner, WorkerRunner):
        print(json.dumps({"done": Counter.done}), flush=True)
