"""Opens the pages that tests/report.rs left in a browser, and says what is wrong with them.

Each in light and dark, wide and on a phone, and printed: nothing is wider than the window, the browser has
nothing to complain about, every section is there, and text stands out from what is behind it. Pictures go beside
the pages. Talks to Chromium through its debugging pipe: Python alone is needed.
"""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--force-device-scale-factor=1", "--remote-debugging-pipe",
]
SECTIONS = ["findings", "databases", "drills", "coverage", "keys", "copies", "leftovers", "method"]
SCHEMES = ["light", "dark"]
WIDTHS = [1400, 768, 390]
TALLEST = 12000

# WCAG 2: 4.5 for text, 3 for large text and for marks that tell something.
MEASURE = r"""
(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const known = {};
  const rgb = (color) => known[color] ??= parts(color);
  const parts = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (color) => {
    const [r, g, b] = rgb(color).slice(0, 3).map((part) => part / 255)
      .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [most, least] = [light(one), light(other)].sort((a, b) => b - a);
    return (most + 0.05) / (least + 0.05);
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (rgb(color)[3] === 255) return color;
    }
    return 'white';
  };
  const faint = {};
  const check = (what, found, least) => {
    if (found < least && !(what in faint)) faint[what] = found.toFixed(2) + ' < ' + least;
  };
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  let texts = 0;
  while (words.nextNode()) {
    const element = words.currentNode.parentElement;
    if (!words.currentNode.data.trim() || seen.has(element) || seen.size > 20000) continue;
    seen.add(element);
    const style = getComputedStyle(element);
    texts += 1;
    check(`${element.tagName}.${element.className} in ${style.color}`, contrast(style.color, behind(element)), 4.5);
  }
  const marks = document.querySelectorAll('.plot path, .strip path');
  for (const mark of [...marks].slice(0, 200)) {
    const style = getComputedStyle(mark);
    const name = mark.getAttribute('class');
    if (name === 'grid' || name === 'area') continue;
    const color = style.stroke === 'none' ? style.fill : style.stroke;
    check(`mark ${name} in ${color}`, contrast(color, behind(mark)), 3);
  }
  const wide = [...document.querySelectorAll('body *')].filter((one) =>
    !one.closest('.scroll, svg') && one.getBoundingClientRect().right > innerWidth + 1);
  const kept = matchMedia('(prefers-color-scheme: dark)').matches;
  return {
    dark: kept, texts, faint,
    scroll_width: document.documentElement.scrollWidth, inner_width: innerWidth,
    height: document.documentElement.scrollHeight,
    wide: wide.slice(0, 5).map((one) => `${one.tagName}.${one.className} ${one.textContent.slice(0, 40)}`),
    sections: [...document.querySelectorAll('section')].map((one) => one.id),
    scripts: document.scripts.length, title: document.title,
    ids: document.querySelectorAll('[id]').length - new Set([...document.querySelectorAll('[id]')].map((one) => one.id)).size,
    lost: [...document.querySelectorAll('a[href^="#"]')].filter((one) => !document.getElementById(one.hash.slice(1))).map((one) => one.hash),
  };
})()
"""
OPEN = "document.querySelectorAll('details').forEach((one, at) => { if (at < 12) one.open = true })"


class Browser:
    """One Chromium with an empty profile of its own."""

    def __init__(self, program):
        self.profile = tempfile.mkdtemp()
        to_read, self.to_write = os.pipe()
        self.to_read, to_write = os.pipe()

        def as_three_and_four():
            # Whatever numbers the pipes have, they may be 3 and 4 themselves.
            one, other = os.dup2(to_read, 100), os.dup2(to_write, 101)
            os.dup2(one, 3)
            os.dup2(other, 4)

        self.process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={self.profile}", "about:blank"],
            pass_fds=(3, 4), preexec_fn=as_three_and_four, stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self.rest, self.number, self.session, self.events = b"", 0, None, []
        targets = self.ask("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self.ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self.session = attached["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.ask(f"{domain}.enable")

    def read(self):
        while b"\0" not in self.rest:
            more = os.read(self.to_read, 1 << 16)
            if not more:
                raise SystemExit("the browser ended")
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def ask(self, method, **params):
        self.number += 1
        question = {"id": self.number, "method": method, "params": params}
        if self.session:
            question["sessionId"] = self.session
        os.write(self.to_write, json.dumps(question).encode() + b"\0")
        while True:
            message = self.read()
            if message.get("id") == self.number:
                if "error" in message:
                    raise SystemExit(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def evaluate(self, expression):
        done = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in done:
            raise SystemExit(f"{expression[:60]}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def open(self, url):
        self.events = []
        self.ask("Page.navigate", url=url)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.read())

    def complaints(self):
        """What the console would show, and whatever the page asked the network for."""
        for event in self.events:
            method, params = event.get("method"), event.get("params", {})
            if method == "Log.entryAdded":
                yield params["entry"]["text"]
            elif method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
                yield json.dumps(params)
            elif method == "Network.requestWillBeSent" and params["type"] != "Document":
                yield f"asks for {params['request']['url'][:80]}"

    def close(self):
        try:
            self.ask("Browser.close")
        finally:
            self.process.wait()
            shutil.rmtree(self.profile, ignore_errors=True)


def wrong_with(name, seen, width, is_dark):
    if seen["scroll_width"] > seen["inner_width"] or seen["wide"]:
        yield f"wider than the window: {seen['scroll_width']}, {seen['wide']}"
    if seen["inner_width"] != width or seen["dark"] != is_dark:
        yield f"not shown as asked: {seen['inner_width']}"
    missing = set(SECTIONS) - set(seen["sections"])
    if missing:
        yield f"no {missing}"
    for what, why in seen["faint"].items():
        yield f"{what}: {why}"
    if seen["texts"] < 30 or seen["scripts"] or seen["ids"] or seen["lost"]:
        yield f"odd: {seen}"


def look(browser, page, folder):
    """Yields what is wrong with one page."""
    for width in WIDTHS:
        for scheme in SCHEMES:
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            browser.ask("Emulation.setEmulatedMedia", features=features)
            browser.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
                        mobile=width < 800)
            browser.open(page.as_uri())
            yield from browser.complaints()
            as_sent = browser.evaluate(MEASURE)
            browser.evaluate(OPEN)
            opened = browser.evaluate(MEASURE)
            for seen in as_sent, opened:
                for wrong in wrong_with(page.stem, seen, width, scheme == "dark"):
                    yield f"{width} px, {scheme}: {wrong}"
            if width == 768:
                continue
            if page.stem != "large":
                picture(browser, folder / f"{page.stem}-{width}-{scheme}-open.png", width, opened["height"])
            browser.open(page.as_uri())
            picture(browser, folder / f"{page.stem}-{width}-{scheme}.png", width, as_sent["height"])
    printed = browser.ask("Page.printToPDF", printBackground=False, preferCSSPageSize=True)["data"]
    (folder / f"{page.stem}.pdf").write_bytes(base64.b64decode(printed))
    if not base64.b64decode(printed).startswith(b"%PDF"):
        yield "does not print"


def picture(browser, file, width, height):
    clip = {"x": 0, "y": 0, "width": width, "height": min(height, TALLEST), "scale": 1}
    shot = browser.ask("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
    file.write_bytes(base64.b64decode(shot["data"]))


def main(program, folder):
    folder = pathlib.Path(folder).resolve()
    pages = sorted(folder.glob("*.html"))
    if len(pages) < 5:
        raise SystemExit(f"there are only {len(pages)} pages in {folder}")
    browser, failed = Browser(program), False
    for page in pages:
        found = sorted(set(look(browser, page, folder)))
        print(f"{page.stem}: {page.stat().st_size} bytes, {'passed' if not found else 'failed'}")
        for wrong in found:
            print(f"  {wrong}")
        failed = failed or bool(found)
    browser.close()
    sys.exit(failed)


if __name__ == "__main__":
    main(*sys.argv[1:])
