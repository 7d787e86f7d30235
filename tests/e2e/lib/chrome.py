# SPDX-License-Identifier: Apache-2.0
"""Debian's Chromium by its driver: one process, a window per page."""
import json

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from .wait import wait_for

FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic",
    "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream=fps=30",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
    # a window in the background must play as one in front does
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
    "--window-size=800,600",
]


# every page's peer connections, for pages that keep them to themselves
NOTE_CONNECTIONS = """
window.testConnections = [];
window.RTCPeerConnection = class extends window.RTCPeerConnection {
  constructor(...args) { super(...args); window.testConnections.push(this); }
};
"""


class Chrome:
    def __init__(self, profile_dir, log_path, flags=()):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in [*FLAGS, *flags, f"--user-data-dir={profile_dir}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(
            options=options,
            service=Service("/usr/bin/chromedriver", log_path=str(log_path)))
        self.driver.set_script_timeout(30)
        self.home = self.driver.current_window_handle

    def open(self, url):
        self.driver.switch_to.new_window("window")
        page = Page(self, self.driver.current_window_handle)
        self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument",
                                    {"source": NOTE_CONNECTIONS})
        page.go(url)
        return page

    def console(self):
        return [f"{e['level']} {e['message']}"
                for e in self.driver.get_log("browser")]

    def close_pages(self):
        for handle in self.driver.window_handles:
            if handle != self.home:
                self.driver.switch_to.window(handle)
                self.driver.close()
        self.driver.switch_to.window(self.home)

    def quit(self):
        self.driver.quit()


class Page:
    def __init__(self, chrome, handle):
        self.chrome = chrome
        self.driver = chrome.driver
        self.handle = handle

    def _focus(self):
        if self.driver.current_window_handle != self.handle:
            self.driver.switch_to.window(self.handle)

    def go(self, url):
        self._focus()
        self.driver.get(url)

    def js(self, code, *args):
        """Runs an async function's body; its result, or its exception."""
        self._focus()
        reply = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "const args = Array.from(arguments).slice(0, -1);"
            "(async (...a) => {" + code + "})(...args).then("
            "v => done({value: v === undefined ? null : v}),"
            "e => done({error: String(e && e.stack || e)}));", *args)
        if "error" in reply:
            raise AssertionError(f"in the page: {reply['error']}")
        return reply["value"]

    def wait_js(self, expression, what, timeout=15):
        return wait_for(lambda: self.js(f"return {expression};"), what,
                        timeout, 0.1)

    def rtp(self, kind, direction="inbound"):
        """The newest connection's inbound-rtp or outbound-rtp, or {}."""
        return self.js(
            "const pc = window.testConnections.at(-1); let found = {};"
            "if (pc) (await pc.getStats()).forEach((s) => {"
            "if (s.type === a[0] + '-rtp' && s.kind === a[1]) found = {...s};"
            "}); return found;", direction, kind)

    def used_ufrag(self):
        """The peer's ufrag of the newest connection's pair in use."""
        return self.js(
            "const all = {}; (await window.testConnections.at(-1).getStats())"
            ".forEach((s) => { all[s.id] = s; });"
            "const { selectedCandidatePairId: id } = Object.values(all)"
            ".find((s) => s.type === 'transport');"
            "return id && all[all[id].remoteCandidateId].usernameFragment;")

    def text(self, selector):
        return self.js("const e = document.querySelector(a[0]);"
                       "return e && e.textContent;", selector)

    def click(self, selector):
        self.js("document.querySelector(a[0]).click();", selector)

    def close(self):
        if self.handle in self.driver.window_handles:
            self._focus()
            self.driver.close()
            self.driver.switch_to.window(self.chrome.home)


class BrowserPeer:
    """A publisher or viewer on web/peer.html."""

    def __init__(self, chrome, origin, name="peer"):
        self.name = name
        self.page = chrome.open(origin + "/peer.html")
        self.page.wait_js("window.isReady", "test page")

    def start(self, action, url, **options):
        return self.page.js("return window.peer(...a);", self.name, action,
                            url, options)

    def publish(self, url, **options):
        return self.start("publish", url, **options)

    def watch(self, url, **options):
        return self.start("watch", url, **options)

    def call(self, method, *args):
        return self.page.js("const [n, m, ...rest] = a;"
                            "return window.peers[n][m](...rest);", self.name,
                            method, *args)

    def get(self, field):
        value = self.page.js("const v = window.peers[a[0]][a[1]];"
                             "return JSON.stringify(v instanceof Set ? [...v]"
                             " : v) || null;", self.name, field)
        return None if value is None else json.loads(value)

    def stats(self):
        return self.call("stats")

    def event_ms(self, name):
        for what, at_ms in self.get("events"):
            if what == name:
                return at_ms
        return None

    def frames(self):
        video = self.stats()["video"]
        return video.get("framesDecoded", 0) if video else 0

    def wait_frames(self, more=10, timeout=15):
        """Until @more frames have been decoded from now on."""
        start = self.frames()
        wait_for(lambda: self.frames() >= start + more,
                 f"{more} more decoded frames", timeout, 0.1)

    def wait_audio(self, timeout=15):
        def has_energy():
            audio = self.stats()["audio"]
            return audio and audio.get("totalAudioEnergy", 0) > 0
        wait_for(has_energy, "sound", timeout, 0.1)

    def close(self):
        return self.call("close")
