# SPDX-License-Identifier: Apache-2.0
"""What docs/grafana.md tells people to configure does what it says: in the real Collector."""

import json
import re
import urllib.request

import yaml

from conftest import ROOT
from test_otlp import collector

SPANS = ("b7ad6b7169203331", "00f067aa0ba902b7")
TRACE = "0af7651916cd43dd8448eb211c80319c"


def recipe():
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "grafana.md").read_text(), re.DOTALL)
    found = [yaml.safe_load(b) for b in blocks]
    return next(c for c in found if "processors" in c)


def of_local_roots():
    """The same with the statement for local roots in place of its own."""
    config, text = recipe(), (ROOT / "docs" / "grafana.md").read_text()
    [statement] = re.findall(r"^ *- (set\(.* where .*)$", text, re.MULTILINE)
    config["processors"]["transform/profiles"]["trace_statements"][0]["statements"] = [statement]
    return config


def like(span_id, **more):
    return {"traceId": TRACE, "spanId": span_id, "name": "checkout", "kind": 2, "startTimeUnixNano": "1",
            "endTimeUnixNano": "2", **more}  # fmt: skip


def send(url, spans, service="any"):
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    body = json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}).encode()
    request = urllib.request.Request(f"{url}/v1/traces", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def attributes(path):
    """Of each span that the Collector wrote there."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {
        span["spanId"]: {a["key"]: a["value"].get("stringValue") for a in span.get("attributes", [])}
        for line in lines for r in line["resourceSpans"] for scope in r["scopeSpans"] for span in scope["spans"]
    }  # fmt: skip


def test_collector_gives_spans_their_profile_id(tmp_path):
    config = recipe()
    assert config["service"]["pipelines"]["traces"]["processors"] == list(config["processors"])
    with collector(tmp_path, "traces", config["processors"]) as urls:
        send(urls["otlp_http"], [like(s) for s in SPANS])
    assert attributes(tmp_path / "otlp.json") == {s: {"pyroscope.profile.id": s} for s in SPANS}


def test_collector_gives_local_roots_their_profile_id(tmp_path):
    """Of any kind if they have no parent; of two kinds if they have one, which is elsewhere."""
    kinds = range(1, 6)  # internal, server, client, producer, consumer
    with collector(tmp_path, "traces", of_local_roots()["processors"]) as urls:
        for kind in kinds:
            send(urls["otlp_http"], [like(f"a{kind:015}", kind=kind)])
            send(urls["otlp_http"], [like(f"b{kind:015}", kind=kind, parentSpanId=SPANS[0])])
    got = attributes(tmp_path / "otlp.json")
    assert len(got) == 10
    assert {s for s in got if got[s]} == {*(f"a{kind:015}" for kind in kinds), "b" + "2".zfill(15), "b" + "5".zfill(15)}


def test_data_source_selects_what_the_agent_sends():
    """Of the type that the agent's profiles have in Pyroscope; tests/sink refuses any other."""
    sources = yaml.safe_load((ROOT / "deploy" / "grafana-datasources.yaml").read_text())["datasources"]
    by_uid = {s.get("uid"): s for s in sources}
    [traces] = [s for s in sources if "tracesToProfiles" in s.get("jsonData", {})]
    to = traces["jsonData"]["tracesToProfiles"]
    assert by_uid[to["datasourceUid"]]["type"] == "grafana-pyroscope-datasource"
    assert to["profileTypeId"] == "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
    assert {"key": "service.name", "value": "service_name"} in to["tags"]
