import json
from pathlib import Path

import pytest
import requests

from local.host.app import Function
from local.host.routes import Route
from local.host.settings import SettingsError
from tests.local.host.running import Hosts
from tests.patience import PATIENCE

APP = """
@app.route(route="things/{id:int}/{part?}", methods=["GET", "POST"])
def things(req: func.HttpRequest) -> func.HttpResponse:
    facts = {
        "method": req.method, "url": req.url, "route": dict(req.route_params),
        "query": dict(req.params), "header": req.headers.get("x-one"),
        "body": req.get_body().decode(),
    }
    print("a print")
    headers = {"X-Two": "2", "Set-Cookie": "a=b; Path=/; Secure; SameSite=Lax"}
    return func.HttpResponse(json.dumps(facts), status_code=201, headers=headers)


@app.route(route="things/new", auth_level=func.AuthLevel.ADMIN)
async def new(req: func.HttpRequest) -> str:
    return "new"


@app.route()
def broken(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("broken")


@app.route(methods=["GET"])
def wrong(req: func.HttpRequest) -> func.HttpResponse:
    return {"not": "a response"}
"""


def test_http_functions_are_served_as_their_routes_say(hosts: Hosts) -> None:
    hosts.write(APP)
    host = hosts.start()
    api = f"{host.url}/api"

    with requests.Session() as http:
        reply = http.post(
            f"{api}/Things/7/left%20side?x=1&x=2&empty=", data="body", headers={"X-One": "1"}
        )
        assert reply.status_code == 201
        assert reply.headers["X-Two"] == "2"
        assert reply.headers["Set-Cookie"] == "a=b; Path=/; Secure; SameSite=Lax"
        assert reply.json() == {
            "method": "POST",
            "url": f"{api}/Things/7/left%20side?x=1&x=2&empty=",
            "route": {"id": "7", "part": "left side"},
            "query": {"x": "1,2"},
            "header": "1",
            "body": "body",
        }
        assert http.get(f"{api}/things/7").json()["route"] == {"id": "7"}
        assert http.head(f"{api}/things/new").headers["Content-Length"] == "3"
        # No key was sent, though the function asks for one.
        assert http.delete(f"{api}/things/new").text == "new"
        assert http.get(f"{api}/broken").status_code == 500
        assert http.get(f"{api}/wrong").status_code == 500
        # Azure says 404 to a known path with another method, too.
        for method, path in (
            ("PUT", "things/7"),
            ("GET", "things/x"),
            ("GET", "things"),
            ("GET", "../broken"),
        ):
            assert http.request(method, f"{api}/{path}").status_code == 404
        assert http.post(f"{api}/broken", data=iter([b"chunk"])).status_code == 411

    assert host.logged("function keys are not enforced")
    assert host.logged("a print")
    assert host.output.read_text().splitlines() == [f"ready {host.url}"]
    assert host.terminate() == 0


def test_a_request_in_work_is_answered_before_the_host_ends(hosts: Hosts) -> None:
    hosts.write(
        """
@app.route()
def slow(req: func.HttpRequest) -> str:
    os.kill(os.getpid(), 15)
    time.sleep(0.7)
    return "done"
"""
    )
    host = hosts.start()

    assert requests.get(f"{host.url}/api/slow").text == "done"
    assert host.child.wait(PATIENCE) == 0


def test_the_prefix_of_routes_comes_from_host_json(hosts: Hosts, tmp_path: Path) -> None:
    hosts.write(APP)
    content = {"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}
    (tmp_path / "host.json").write_text(json.dumps(content))
    host = hosts.start()

    assert requests.get(f"{host.url}/things/new").text == "new"
    assert requests.get(f"{host.url}/api/things/new").status_code == 404


def route(template: str | None) -> Route:
    trigger = {"type": "httpTrigger", "name": "req", "route": template}
    return Route.of(Function(id="1", name="named", trigger=trigger), "api")


def test_a_function_without_a_route_has_its_name() -> None:
    assert route(None).match("GET", "/api/named") == {}


def test_the_rest_of_a_path_can_be_one_parameter() -> None:
    assert route("files/{*path}").match("GET", "/api/files/a/b%2Fc") == {"path": "a/b/c"}
    assert route("files/{*path}").match("GET", "/api/files") == {}


@pytest.mark.parametrize("template", ["{id:even}", "{id", "a}b", "{id=5}"])
def test_a_route_that_is_not_understood_is_refused(template: str) -> None:
    with pytest.raises(SettingsError, match="named: route"):
        route(template)
