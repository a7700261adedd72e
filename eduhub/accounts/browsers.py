"""What sort of browser somebody has signed in with, in the makers' own names: 'Chrome · Android'. A pure function.

Only this much is kept, for its owner to know it again: no version, no device, nothing to follow somebody by.
"""

# The first that is found; a browser calls itself by the names of those before it, too.
_BROWSERS = (
    ("MicroMessenger", "WeChat"), ("QQBrowser", "QQ"), ("UCBrowser", "UC"), ("MiuiBrowser", "MIUI"),
    ("HuaweiBrowser", "Huawei"), ("SamsungBrowser", "Samsung"), ("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"), ("CriOS", "Chrome"), ("Chrome", "Chrome"), ("Safari", "Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("HarmonyOS", "HarmonyOS"), ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"),
    ("CrOS", "ChromeOS"), ("Mac OS", "Mac"), ("Linux", "Linux"),
)  # fmt: skip


def sort_of(user_agent: str) -> str:
    """The browser and the system that a request's User-Agent names; empty when it names none."""
    found = (next((word for sign, word in table if sign in user_agent), "") for table in (_BROWSERS, _SYSTEMS))
    return " · ".join(word for word in found if word)
