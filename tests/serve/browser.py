"""A browser driven over Chromium's remote-debugging protocol: clicks, typing, screenshots."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import websocket

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One page of a headless browser."""

    def __init__(self, folder: Path) -> None:
        assert CHROMIUM is not None
        flags = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--remote-debugging-port=0",
        ]
        flags += ["--no-first-run", "--mute-audio", "--disable-background-networking", "--lang=en-US"]
        self.process = subprocess.Popen(
            [CHROMIUM, *flags, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        port = until(lambda: (folder / "DevToolsActivePort").read_text().split("\n")[0], seconds=30)
        pages = until(lambda: json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json")), seconds=30)
        address = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        self.socket = websocket.create_connection(address, suppress_origin=True, timeout=30)
        self.number, self.said = 0, list[str]()
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> Any:
        """Send a command and return its result; what the page's console says meanwhile is kept in `said`."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("method") == "Runtime.exceptionThrown":
                self.said.append(message["params"]["exceptionDetails"].get("exception", {}).get("description", "?"))
            if message.get("method") == "Log.entryAdded":
                self.said.append(message["params"]["entry"]["text"])
            if message.get("id") == self.number:
                assert "error" not in message, message["error"]
                return message["result"]

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression."""
        found = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def open(self, address: str) -> None:
        """Go to an address."""
        self.send("Page.navigate", url=address)

    def wait(self, script: str, *, seconds: float = 15) -> None:
        """Wait until an expression is true."""
        until(lambda: self.run(f"Boolean({script})"), seconds=seconds)

    def click(self, selector: str) -> None:
        """Click in the middle of an element."""
        x, y = self.middle(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def middle(self, selector: str) -> tuple[float, float]:
        """Return where an element's middle is, scrolled into view."""
        box = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center'}});"
            " const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        return box[0], box[1]

    def draw(self, selector: str, path: list[tuple[float, float]]) -> None:
        """Draw with the mouse over an element: places from (-1, -1) to (1, 1) around its middle."""
        x, y = self.middle(selector)
        size = self.run(f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().width") / 2
        places = [(x + dx * size, y + dy * size) for dx, dy in path]
        for place, kind in [
            (places[0], "mousePressed"),
            *((p, "mouseMoved") for p in places),
            (places[-1], "mouseReleased"),
        ]:
            self.send(
                "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", buttons=1, clickCount=1
            )

    def type(self, selector: str, text: str) -> None:
        """Replace what stands in a field."""
        self.run(f"document.querySelector({json.dumps(selector)}).select?.()")
        self.click(selector)
        self.run(f"document.querySelector({json.dumps(selector)}).select?.()")
        self.send("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=13, text="\r")

    def look(self, *, width: int, height: int, dark: bool = False) -> None:
        """Set the window's size, and whether the system is dark."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """Write a screenshot of the window, or of the whole page."""
        found = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def close(self) -> None:
        """End the browser."""
        self.socket.close()
        self.process.terminate()
        self.process.wait(20)


def until(look: Any, *, seconds: float) -> Any:
    """Return what `look` gives once it is something, or raise what it last raised."""
    end, error = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            found = look()
            if found:
                return found
        except (OSError, ValueError, StopIteration, AssertionError) as raised:
            error = raised
        time.sleep(0.05)
    raise error or TimeoutError("it did not come")
