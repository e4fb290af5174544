"""The shell of all forms over HTTP: a made-up form fills it with bodies of its own."""

from functools import partial

from ccproxy.net.work import result
from ccproxy.protocols.jolie.http.messages import (
    BodyTooBig,
    HttpLimits,
    RefusedRequest,
    Sending,
)
from ccproxy.protocols.jolie.http.sides import WebCaller, WebForm, WebService
from ccproxy.protocols.jolie.values import Asked, Call, Result, Tree, io_fault


class LineCaller(WebCaller):
    """A body is the name of an operation; an empty one is responded to at once."""

    def read(self, request):
        yield
        if request.body == b"bomb":
            raise BodyTooBig("too much of it")
        if not request.body:
            self._server.respond(Sending(status=204))
            return []
        return [Asked(None, Call("/", request.body.decode(), Tree()))]

    def write(self, token, answer):
        self._server.respond(Sending(body=b"%d" % answer.value.tree().payload))

    def refuse(self, refused: RefusedRequest):
        self._server.respond(Sending(body=refused.reason.encode(), status=refused.status))


class LineService(WebService):
    def read(self, response):
        yield
        return Result(Tree(response.body.decode())) if response.body else None


def caller(**limits):
    made, woken = LineCaller(HttpLimits(**limits)), []
    made.wake = lambda: woken.append(True)
    return made, woken


def post(body=b""):
    return b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def taken(one):
    return b"".join(one.take())


def test_one_request_at_a_time_waits_for_its_answer():
    one, woken = caller()
    assert [call.operation for _, call in one.feed(post(b"a") + post(b"b"))] == ["a"]
    assert (one.calls, one.feed(b""), woken) == (1, [], [])
    one.answer(None, Result(Tree(7)))
    assert (one.calls, woken) == (0, [True])
    assert taken(one).endswith(b"\r\n\r\n7")
    assert [call.operation for _, call in one.feed(b"")] == ["b"]


def test_a_request_without_calls_lets_the_next_one_be_read_at_once():
    one, woken = caller()
    assert [call.operation for _, call in one.feed(post() + post() + post(b"c"))] == ["c"]
    assert woken == [True]
    assert taken(one).count(b"HTTP/1.1 204") == 2


def test_what_is_to_be_written_before_the_request_is_whole_wakes_the_owner():
    one, woken = caller()
    head = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    assert one.feed(head) == []
    assert woken == [True]
    assert taken(one).startswith(b"HTTP/1.1 100")


def test_what_cannot_be_read_is_refused_and_no_call():
    one, woken = caller()
    assert one.feed(b"GET / HTTP/3.0\r\n\r\n") == []
    assert (one.calls, woken) == (0, [True])
    assert taken(one).startswith(b"HTTP/1.1 505")
    assert one.broken and one.closing and not one.too_big


def test_a_body_that_grows_too_big_is_refused():
    one, _ = caller()
    assert one.feed(post(b"bomb")) == []
    out = taken(one)
    assert out.startswith(b"HTTP/1.1 413") and out.endswith(b"too much of it")
    assert one.too_big and one.broken == "too much of it"


def test_a_service_answers_with_the_id_of_its_request_or_not_at_all():
    service = LineService(HttpLimits())
    service.send(Sending((("Host", "h"),), id=5))
    [(id, answer)] = service.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    assert (id, answer.value) == (5, Tree("hi"))
    service.send(Sending((("Host", "h"),), id=6))
    assert service.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") == []
    assert not service.broken and not service.closing


def test_a_form_has_no_fast_path_and_takes_new_limits():
    form = WebForm("h", "/p")
    form.limit(9)
    assert (form.limits, form.upstreams(1.0, lambda: 0.0)) == (HttpLimits(body=9), None)


class SlowCaller(LineCaller):
    """Its bodies are read in more steps than are made at once."""

    def read(self, request):
        for _ in range(1000):
            yield
        return (yield from super().read(request))


def test_a_request_that_is_still_read_when_its_listener_ends_is_refused():
    one = SlowCaller(HttpLimits())
    [(_, reading)] = one.feed(post(b"a"))
    assert (one.calls, taken(one)) == (1, b"")
    abandon = partial(WebForm.abandon, None, [one], io_fault("the server stops"))
    abandon()
    answer = taken(one)
    assert answer.startswith(b"HTTP/1.1 503") and answer.endswith(b"the server stops")
    result(reading.steps)
    abandon()
    assert taken(one) == b""
