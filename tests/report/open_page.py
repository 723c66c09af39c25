#!/usr/bin/env python3
"""Open a page in headless Chromium, by its DevTools protocol over a pipe, and judge what it does.

  open_page.py PAGE [FOLDER]   exit status 0: no error, warning or exception on the console, no request but
                               for PAGE and data: URIs, and every picture decodes; FOLDER: there are as many
                               pictures as PNG files in it

Copies of the page that do each of these wrong are opened as well and have to be found wrong.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

SECONDS = 120
PICTURES = """(async () => {
  const urls = [...document.querySelectorAll('image')].map(i => i.getAttribute('href'));
  const sizes = await Promise.all(urls.map(async url => {
    const i = new Image(); i.src = url; await i.decode(); return i.naturalWidth * i.naturalHeight; }));
  return {pictures: sizes.filter(s => s > 0).length, height: document.body.scrollHeight,
          charts: document.querySelectorAll('svg.chart').length};
})()"""


class Browser:
    """Chromium with its DevTools on file descriptors 3 and 4: one JSON object before each zero byte."""

    def __init__(self, profile):
        to_read, self.write_end = os.pipe()
        self.read_end, to_write = os.pipe()

        def descriptors():
            os.dup2(to_read, 13)
            os.dup2(to_write, 14)
            os.dup2(13, 3)
            os.dup2(14, 4)

        self.process = subprocess.Popen(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", f"--user-data-dir={profile}", "--remote-debugging-pipe"],
            preexec_fn=descriptors, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.buffer, self.number, self.events = b"", 0, []

    def receive(self):
        while b"\0" not in self.buffer:
            data = os.read(self.read_end, 1 << 20)
            if not data:
                raise SystemExit("chromium ended")
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method):
        end = time.monotonic() + SECONDS
        while not any(e.get("method") == method for e in self.events):
            if time.monotonic() > end:
                raise SystemExit(f"no {method} in {SECONDS} s")
            self.events.append(self.receive())

    def close(self):
        self.call("Browser.close")
        self.process.wait(timeout=SECONDS)


def open_page(browser, page):
    """(complaints, what PICTURES gives)"""
    url = pathlib.Path(page).resolve().as_uri()
    browser.events = []
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network"):
        browser.call(domain + ".enable", session)
    browser.call("Page.navigate", session, url=url)
    browser.wait_for("Page.loadEventFired")
    result = browser.call("Runtime.evaluate", session, expression=PICTURES, awaitPromise=True, returnByValue=True)
    browser.call("Target.closeTarget", targetId=target)
    complaints = []
    if "exceptionDetails" in result:
        complaints.append("a picture does not decode")
    for event in browser.events:
        method, p = event.get("method"), event.get("params", {})
        if method == "Runtime.consoleAPICalled" and p["type"] in ("error", "warning", "assert"):
            complaints.append(f"console: {p['type']} {p['args']}")
        elif method == "Runtime.exceptionThrown":
            complaints.append(f"exception: {p['exceptionDetails']['text']}")
        elif method == "Log.entryAdded" and p["entry"]["level"] in ("error", "warning"):
            complaints.append(f"log: {p['entry']['text']}")
        elif method == "Network.requestWillBeSent" and not p["request"]["url"].startswith("data:") and \
                p["request"]["url"] != url:
            complaints.append(f"request: {p['request']['url']}")
    return complaints, result.get("result", {}).get("value") or {}


def main():
    page = sys.argv[1]
    text = pathlib.Path(page).read_text(encoding="utf-8")
    wrong = {
        "request": text.replace("</body>", '<img src="http://127.0.0.1:9/x.png"></body>'),
        "console": text.replace("</body>", "<script>console.error('x')</script></body>"),
        "exception": text.replace("</body>", "<script>nothing.there()</script></body>"),
        "picture": text.replace("base64,iVBORw0KGgo", "base64,iVBORw0KGg8", 1),
    }
    with tempfile.TemporaryDirectory() as folder:
        browser = Browser(os.path.join(folder, "profile"))
        try:
            complaints, found = open_page(browser, page)
            print(f"{page}: {found}")
            for kind, changed in wrong.items():
                copy = os.path.join(folder, kind + ".html")
                pathlib.Path(copy).write_text(changed, encoding="utf-8")
                seen, _ = open_page(browser, copy)
                if changed == text or not any(kind in c for c in seen):
                    complaints.append(f"a page with a bad {kind} was not found wrong: {seen}")
        finally:
            browser.close()
    if len(sys.argv) > 2:
        files = len(list(pathlib.Path(sys.argv[2]).glob("*.png")))
        if files == 0 or found.get("pictures") != files:
            complaints.append(f"expected {files} pictures, found {found.get('pictures')}")
    if not found.get("charts"):
        complaints.append("no curves")
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
