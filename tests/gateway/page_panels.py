"""The page's panels in headless Chromium: machines, alerts, models, requests, benchmarks. Run by test_page.py."""
import json
import os
import time

from page_scene import Scene, ask_and_answer, everywhere, play, shot, text, tick, FAKE_MODELS
from stand import bench, eventually


def test_one_machine_of_several_is_shown():
    with Scene(life=False) as (stand, browser, _life):
        with open(os.path.join(os.path.dirname(__file__), "..", "fixtures", "faces", "hosts.json")) as file:
            messages = json.load(file)
        for message in messages:
            stand.publish(message["topic"], message["data"], host=message["host"])
        browser.until("document.querySelectorAll('#machines button').length === 2")
        browser.until("document.querySelector('#runtimes').textContent.includes('qwen-here:7b')")
        assert "llama-away" not in text(browser, "#now")
        assert "23.0 tok/s, llama-away:3b" in text(browser, "#machines button[data-host=mini]")
        browser.click("#machines button[data-host=mini]")
        browser.until("document.querySelector('#runtimes').textContent.includes('llama-away:3b')")
        browser.until("document.querySelector('#gpu .note').textContent.includes('Kiln B2')")
        assert "qwen-here" not in text(browser, "#now") and text(browser, "#host") == "mini"
        assert browser.run("document.querySelector('#machines [aria-pressed=true]').dataset.host") == "mini"
        shares = browser.run("[...document.querySelectorAll('#machines button[data-host=mini] progress')].map(p => p.value)")
        assert shares == [0.13, 0.1875], shares
        assert text(browser, "#machines-sum") == "2 machines, 23.0 tok/s together"
        # A card is the same node all the time, so that a click or the focus is not lost to the next value.
        browser.run("window.card = document.querySelector('#machines button[data-host=studio]'); card.focus()")
        stand.publish("alert.hot", {"state": "firing", "summary": "<b>too hot</b>"}, host="studio")
        browser.until("card.isConnected && card.textContent.includes('<b>too hot</b>')")
        assert browser.run("document.activeElement === card")
        browser.run("document.querySelector('#machine').value = 'studio'; document.querySelector('#machine').dispatchEvent(new Event('change'))")
        browser.until("document.querySelector('#runtimes').textContent.includes('qwen-here:7b')")
        browser.open(stand.url + "/?host=mini")
        browser.until("document.querySelector('#runtimes').textContent.includes('llama-away:3b')")
        assert browser.run("document.querySelector('#machine').value") == "mini"
        stand.publish("sensor.cpu", {"utilization": 0.5}, host="rack-7")
        browser.until("document.querySelectorAll('#machines button').length === 3")
        everywhere(browser, "machines")


def test_alerts_and_findings():
    with Scene(life=False) as (stand, browser, _life):
        browser.until("document.querySelector('#link').textContent === 'live'")
        browser.until("document.querySelector('#alarms-none').textContent.startsWith('No alert')")
        browser.run(FAKE_MODELS)
        began = int((time.time() - 7200) * 1e6)
        hot = {"state": "firing", "summary": "GPU 0 is above <b>60</b> °C", "value": 61.0, "threshold": 60.0, "since": began}
        stand.publish("alert.hot", hot)
        stand.publish("finding.slow_load", {"state": "firing", "summary": "weights come slowly", "since": began,
                                            "remedy": "keep it loaded: mlxctl pin 'qwen3:8b'"})
        stand.publish("alert.old", {"state": "resolved", "summary": "battery below 10 %", "since": began})
        for wrong in (None, [], 5, {"state": 5}, {"state": "firing", "summary": [], "remedy": {}, "silenced_until": "never"}):
            stand.publish("finding.odd", wrong)
        rows = "[...document.querySelectorAll('#alarms tbody tr')].map(r => r.textContent)"
        browser.until(f"{rows}.length === 4")
        said = browser.run(rows)
        assert ["ended" in row for row in said] == [False, False, False, True] and "battery" in said[3], said
        assert any("odd" in row for row in said) and browser.run("document.querySelectorAll('#alarms b').length") == 0, said
        assert text(browser, "#alarms code") == "mlxctl pin 'qwen3:8b'"
        assert "above <b>60</b>" in text(browser, "#alarms-told") and browser.run("document.querySelector('#alarms-told').ariaLive") == "assertive"
        button = "[data-act='silence alert.hot']"
        browser.until("document.querySelectorAll('#alarms button').length === 1")  # neither a finding nor what has ended
        ask_and_answer(browser, button, yes=False)
        assert browser.run("window.sent.length") == 0, "silenced without a yes"
        assert browser.run(f'document.activeElement === document.querySelector("{button}")')
        browser.run("window.answers = [[200, {alerts: []}], [404, {error: {code: 'not_found', message: 'no rule hot', hint: 'see it'}}]]; 1")
        ask_and_answer(browser, button)
        browser.until("document.querySelector('#alarms-note').textContent === 'hot is silent for 1 hour.'")
        assert browser.run("window.sent") == [["POST", 64, {"do": "alert.silence", "rule": "hot", "seconds": 3600}]]
        browser.run(f'document.querySelector("{button}").focus()')
        stand.publish("alert.hot", {**hot, "silenced_until": int((time.time() + 3600) * 1e6)})
        browser.until(f'document.activeElement.textContent === "Tell again"')
        browser.until("document.querySelector('#alarms-told').textContent.startsWith('ended: GPU 0')")  # nobody is told any more
        everywhere(browser, "alarms")
        browser.click(button)
        browser.until("document.querySelector('#alarms-note').textContent === 'hot: no rule hot; see it'")
        assert browser.run("window.sent[1][2]") == {"do": "alert.silence", "rule": "hot", "seconds": 0}


def test_models_are_changed_after_a_question():
    with Scene(life=False) as (stand, browser, _life):
        browser.until("document.querySelector('#link').textContent === 'live'")
        browser.run(FAKE_MODELS)
        stand.publish("runtime.ollama.here.models", {"reachable": True, "kind": "ollama", "url": "http://127.0.0.1:11434",
                      "can": ["load", "unload", "pin", "<b>"], "models": [{"name": "a:1b", "size": 10 ** 9}],
                      "available": [{"name": "a:1b"}, {"name": "b:2b<i>"}]})
        names = "[...document.querySelectorAll('#control button')].map(b => b.getAttribute('aria-label'))"
        browser.until(f"{names}.length === 4")
        assert browser.run(names) == ["Unload a:1b", "Keep a:1b", "Load b:2b<i>", "Keep b:2b<i>"]
        opened, note = "document.querySelector('#question').open", "document.querySelector('#control-note').textContent"
        browser.click("#control button")
        browser.until(opened)
        assert text(browser, "#question-text") == "Free the memory of a:1b?"
        assert browser.run("document.activeElement.id") == "question-no"  # what Enter would do
        browser.key("Escape", code="Escape", windowsVirtualKeyCode=27)
        browser.until(f"!{opened}")
        assert browser.run("window.sent.length") == 0, "something was changed without a yes"
        assert browser.run("document.activeElement.getAttribute('aria-label')") == "Unload a:1b"
        browser.run("window.answers = [[503, {error: {code: 'busy', message: 'a:1b is working on a request'}}],"
                    "[403, {error: {code: 'usage', message: 'token'}}], [200, {memory_before: 9e9, memory_after: 8e9}]]; 1")
        for _ in range(2):
            if not browser.run(opened):
                browser.click("#control button")
            browser.until(opened)
            browser.click("#question-yes")
            browser.until("window.sent.length > 0")
        browser.until(f"{note}.includes('a:1b is unloaded; memory in use: 9.0 GB before, 8.0 GB now')")
        sent = browser.run("window.sent")
        assert sent[0] == ["POST", 64, {"do": "unload", "model": "a:1b", "runtime": "here"}], sent
        assert [one[2].get("force") for one in sent] == [None, True, True], sent
        assert browser.run("document.querySelectorAll('#control b, #control i').length") == 0
        stand.publish("runtime.ollama.here.models", {"reachable": True, "kind": "ollama", "can": ["unload"], "models": []})
        browser.until(f"{names}.length === 0")
        assert "a:1b is unloaded" in browser.run(note), "what came of it was overwritten"
        browser.open(stand.url + "/")
        browser.until(f"{note} === 'No model is loaded.'")


def test_requests_are_listed_with_their_clients():
    with Scene(life=False) as (stand, browser, _life):
        stand.publish("sensor.cpu", {"utilization": 0.5})
        browser.until("document.querySelectorAll('#asked tbody tr').length === 2")
        rows = [text(browser, f"#asked tbody tr:nth-child({i})") for i in (1, 2)]
        assert all(said in rows[0] for said in ("chat.py", "qwen3:8b", "1,024 cached", "212", "51.7 tok/s", "ok")), rows
        assert "<img src=x>" in rows[1] and browser.run("document.images.length") == 0, rows
        spent = [text(browser, f"#spent tbody tr:nth-child({i})") for i in (1, 2)]
        assert all(said in spent[0] for said in ("qwen3:8b", "840", "153.3 Wh", "0.041 EUR")), spent
        assert "<img src=x>" in spent[1] and "–" in spent[1], spent
        assert "3.06 kWh" in text(browser, "#spent-note"), text(browser, "#spent-note")
        asked = len([call for call in stand.recorder.asked if call["cmd"] == "requests.list"])
        stand.publish("runtime.ollama.local.request", {"end": 1, "client": "x"})
        browser.until("document.querySelectorAll('#asked tbody tr').length === 2")
        eventually(lambda: len([c for c in stand.recorder.asked if c["cmd"] == "requests.list"]) > asked)


def test_benchmarks_compare():
    with Scene() as (stand, browser, life):
        browser.until("document.querySelectorAll('#bench tbody tr').length === 3")
        tick(browser, "run1")
        tick(browser, "run2")
        browser.until("document.querySelector('#compare').textContent.includes(': faster, 1.1')")
        tick(browser, "run3")  # the first of the three is let go
        browser.until("document.querySelector('#compare').textContent"
                      ".includes('no evidence of a difference')")
        verdict = text(browser, "#compare")
        with life.lock:
            stand.publish("bench.progress", {"id": "x", "model": "qwen3:8b", "phase": "prompts", "prompt": 4, "prompts": 10})
            stand.publish("bench.result", bench(9, 52.0))
        browser.until("document.querySelector('#bench tbody tr').dataset.id === 'run9'")
        browser.until("document.querySelector('#progress progress').value === 0.4")
        return verdict


def sweep_result(number, kind, speeds):
    """A sweep as the bencher publishes it: no speed of its own, one for each point."""
    def interval(value):
        return {"count": 3, "mean": value, "median": value, "low": value * 0.95, "high": value * 1.04}
    points = [{"name": f"{x} tokens" if kind == "context" else f"{x} clients", "clients": x if kind == "parallel" else 1,
               "prompt_tokens": x if kind == "context" else 500, "tokens_per_second": interval(speed), "ttft": interval(20 / speed),
               "total_tokens_per_second": interval(speed * x)} for x, speed in speeds.items()]
    return {"id": f"sweep{number}", "model": "qwen3:8b", "runtime": "ollama", "prompt_set": f"sweep-{kind}", "sweep": kind,
            "t": int((1.795e9 + number * 86400) * 1e6), "points": points, "warnings": []}


def test_sweeps_are_plotted():
    with Scene(life=False) as (stand, browser, _life):
        browser.until("document.querySelectorAll('#bench tbody tr').length === 3")
        assert browser.run("document.querySelector('#sweeps').children.length") == 0
        stand.listening()
        odd = {**sweep_result(3, "parallel", {}), "points": [None, 5, {"clients": "many"}, {"name": "2 clients", "clients": 2, "tokens_per_second": 7}]}
        for result in (sweep_result(1, "context", {512: 47.0, 4096: 41.0, 32768: 12.3}), sweep_result(2, "context", {512: 52.0, 4096: 45.0, 32768: 20.0}),
                       odd, {**odd, "id": "sweep4", "points": {"a": 1}, "prompts": {"b": 2}, "tokens_per_second": 5, "ttft": [], "warnings": "x"}):
            stand.publish("bench.result", result)
            browser.until(f"!!document.querySelector('#bench tr[data-id={result['id']}]')")
        row = text(browser, "#bench tr[data-id=sweep1]")
        assert "47.0 – 12.3, against context" in row and "n/a" not in row and "NaN" not in row, row
        assert "–, against clients" in text(browser, "#bench tr[data-id=sweep4]")
        tick(browser, "sweep1")
        browser.until("document.querySelectorAll('#sweeps svg').length === 2")
        label = browser.run("document.querySelector('#sweeps svg').getAttribute('aria-label')")
        assert "4096 tokens 41.0 tok/s" in label, label
        tick(browser, "sweep2")
        browser.until("document.querySelectorAll('#sweeps figure:first-child polyline').length === 2")
        assert "in the plots below" in text(browser, "#compare")
        assert not browser.run("document.querySelector('#sweeps').innerHTML.includes('NaN')")
        stand.publish("bench.result", sweep_result(5, "parallel", {1: 47.0, 2: 40.0, 4: 31.0, 8: 18.0}))
        everywhere(browser, "sweeps")
        tick(browser, "sweep5")
        browser.until("document.querySelector('#compare').textContent.includes('different prompts')")
        tick(browser, "sweep5", False)
        tick(browser, "sweep2", False)
        browser.until("document.querySelectorAll('#sweeps svg').length === 3")  # of the newest: clients, with all of them together


def test_a_benchmark_is_run_and_cancelled():
    with Scene(life=False) as (stand, browser, _life):
        browser.run(FAKE_MODELS)
        assert browser.run("['#bench-form', '#progress'].every(id => document.querySelector(id).offsetHeight === 0)")
        server = {"reachable": True, "kind": "ollama", "url": "http://127.0.0.1:11434", "can": [],
                  "models": [{"name": "a:1b"}], "available": [{"name": "a:1b"}, {"name": "b:2b<i>"}, None]}
        stand.publish("runtime.ollama.here.models", server)
        browser.until("document.querySelectorAll('#bench-model option').length === 2 && !document.querySelector('#bench-form').hidden")
        said, progress = "document.querySelector('#bench-said').textContent", "document.querySelector('#progress')"
        browser.run("window.answers = [new Promise(done => { window.finish = done; }), [200, {cancelled: 1}],"
                    "[503, {error: {code: 'busy', message: 'another benchmark is running', hint: 'wait'}}]];"
                    "document.querySelector('#bench-kind').value = 'context'; 1")
        ask_and_answer(browser, "#bench-run", yes=False)
        assert browser.run("window.sent.length") == 0, "measured without a yes"
        ask_and_answer(browser, "#bench-run")
        browser.until(f"!{progress}.hidden && document.querySelector('#bench-run').disabled")
        assert browser.run("window.sent[0][2]") == {"do": "bench.run", "model": "a:1b", "url": "http://127.0.0.1:11434", "sweep": "context"}
        stand.publish("bench.progress", {"id": "x", "model": "a:1b", "phase": "prompts", "prompt": 4, "prompts": 10, "point": "4096 tokens", "round": 2,
                                         "elapsed": 30.0, "remaining": 90.0})
        browser.until(f"{progress}.textContent.includes('a:1b: prompts, 4 of 10, 4096 tokens, round 2, about 1m 30s left')")
        assert browser.run(f"{progress}.querySelector('progress').value") == 0.25
        everywhere(browser, "running")
        stand.publish("runtime.ollama.here.models", server)  # pictures take longer than values last
        browser.until("!document.querySelector('#bench-form').hidden")
        browser.click("#bench-cancel")
        browser.until("window.sent.length === 2")
        assert browser.run("window.sent[1][2]") == {"do": "cancel", "what": "bench.run"}
        browser.run("window.finish([500, {error: {code: 'interrupted', message: 'cancelled'}}])")
        browser.until(f"{said} === 'a:1b: cancelled, nothing was stored.' && {progress}.hidden")
        ask_and_answer(browser, "#bench-run")
        browser.until(f"{said} === 'a:1b: another benchmark is running; wait'")


def test_a_result_over_the_bus_ends_the_emptiness():
    with Scene(life=False) as (stand, browser, _life):
        stand.recorder.results = lambda _args: {"results": []}
        browser.run("import('/bench.js').then(t => t.loadBenchmarks())")
        browser.until("document.querySelector('#bench-note').textContent.startsWith('No benchmark')")
        play(stand, "result.json")
        browser.until("document.querySelectorAll('#bench tbody tr').length === 1")
        browser.until("document.querySelector('#bench-note').hidden")
        row = text(browser, "#bench tbody tr")
        assert row.count("39 %") == 1, row
        browser.run("import('/bench.js').then(t => t.loadBenchmarks())")
        assert browser.run("document.querySelectorAll('#bench tbody tr').length") == 1


CACHE = {"dir": "/home/me/.mlx-cache", "models_count": 2, "bytes": 9_400_000_000, "saved": 4_700_000_000, "duplicate_bytes": 2_000_000_000,
         "lookalike_bytes": 3_000_000_000, "models": [{"name": "qwen3:8b<i>", "size": 4_700_000_000, "used_by": ["ollama", 5]}, None,
                                                      {"name": ["odd"], "used_by": "nobody"}]}


def test_the_cache_is_kept_small():
    with Scene(life=False) as (stand, browser, _life):
        browser.run(FAKE_MODELS)
        assert browser.run("document.querySelector('#cache-bar').offsetHeight") == 0
        stand.listening().publish("cache.status", CACHE)
        note, said = ("document.querySelector('#%s').textContent" % name for name in ("cache-note", "cache-said"))
        browser.until(f"{note}.includes('2.0 GB are there twice, 3.0 GB may be and were not read yet')")
        browser.until("document.querySelectorAll('#models button').length === 3 && document.querySelector('#cache-bar').offsetHeight > 0")
        plan = {"dry_run": True, "would_free": 2e9, "steps": [{"action": "share", "path": "/a/<b>x", "source": "/b/x", "size": 2e9, "method": "clone"}, None, {"path": 5}]}
        fit = {"model": "big:70b", "fits": False, "total": 40e9, "weights": 38e9, "cache": 2e9, "context": 8192, "available": 30e9, "fits_without": ["a:1b"]}
        places = {"models": [{"places": [{"app": "ollama", "store": "/o", "files_count": 3, "files": [{"path": "/o/blobs/sha256-1"}]},
                                         {"app": "mlx-cache", "store": "/c", "complete": False}]}]}
        answers = [[200, plan], [200, {"freed": 2e9}], [200, fit], [200, places], [200, {}], [404, {"error": {"code": "not_found", "message": "was not linked"}}]]
        browser.run(f"window.answers = {json.dumps(answers)}; 1")
        browser.click("#dedup")
        browser.until(f"{said} === '1 file could share the bytes of others: 2.0 GB would be free. Nothing was changed.'")
        assert "/a/<b>x" in text(browser, "#twice") and browser.run("document.querySelectorAll('#twice b').length") == 0
        everywhere(browser, "cache")
        ask_and_answer(browser, "#dedup-share", yes=False)
        assert browser.run("window.sent.map(s => s[2])") == [{"do": "cache.dedup"}], "shared without a yes"
        ask_and_answer(browser, "#dedup-share")
        browser.until(f"{said} === '2.0 GB are free now.' && document.querySelector('#twice').hidden")
        browser.run("document.querySelector('#fits-model').value = ' big:70b '; document.querySelector('#fits-context').value = '8192';"
                    "document.querySelector('#fits').requestSubmit()")
        browser.until(f"{said} === 'big:70b does not fit now: it needs 40.0 GB (weights 38.0 GB, KV cache 2.0 GB) for 8192 tokens; 30.0 GB are free; it would without a:1b.'")
        browser.click("#models [aria-label^=Where]")
        browser.until(f"{said} === 'Ollama: /o/blobs/sha256-1 and 2 more\\nmlx-cache: /c, not complete'")
        ask_and_answer(browser, "#models [aria-label^=Link]")
        browser.until(f"{said} === 'qwen3:8b<i> is in Hugging Face.'")
        ask_and_answer(browser, "#models [aria-label^=Unlink]")
        browser.until(f"{said} === 'was not linked'")
        assert browser.run("window.sent.slice(1).map(s => s[2])") == [
            {"do": "cache.dedup", "yes": True}, {"do": "cache.fits", "model": "big:70b", "context": 8192}, {"do": "cache.where", "model": "qwen3:8b<i>"},
            {"do": "cache.link", "app": "huggingface", "model": "qwen3:8b<i>"}, {"do": "cache.unlink", "app": "ollama", "model": "qwen3:8b<i>"}]
