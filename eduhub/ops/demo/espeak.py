"""Speak a text to a WAV file with espeak-ng: `python -m eduhub.ops.demo.espeak VOICE FILE < text`.

espeak-ng is licensed GPL-3.0. It is used as what it is, a separate program: this file runs in
a process of its own, is started by the demo alone, and nothing else of EduHub loads the library
(docs/decisions/0003-dependencies.md). Nothing may import it: the library is no part of a release.
"""

import ctypes
import sys
import wave

import espeakng_loader

from eduhub.errors import ToolMissing

WORDS_A_MINUTE = 150

_RETRIEVE_SOUND, _CHARS_ARE_UTF8, _FROM_A_CHARACTER, _RATE = 1, 1, 1, 1
_MORE_PLEASE = 0
_Collector = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def _synthesise(text: bytes, voice: str) -> tuple[bytes, int]:
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    sound = bytearray()

    def collect(samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            sound.extend(ctypes.string_at(samples, count * 2))
        return _MORE_PLEASE

    kept_alive = _Collector(collect)
    sample_rate = library.espeak_Initialize(_RETRIEVE_SOUND, 0, espeakng_loader.get_data_path().encode(), 0)
    if sample_rate <= 0:
        raise ToolMissing("espeak-ng did not start", tool="espeak-ng")
    library.espeak_SetSynthCallback(kept_alive)
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ToolMissing(f"espeak-ng has no voice {voice}", tool="espeak-ng")
    library.espeak_SetParameter(_RATE, WORDS_A_MINUTE, 0)
    library.espeak_Synth(text, len(text) + 1, 0, _FROM_A_CHARACTER, 0, _CHARS_ARE_UTF8, None, None)
    library.espeak_Synchronize()
    return bytes(sound), sample_rate


def main() -> None:
    """The child process."""
    voice, target = sys.argv[1], sys.argv[2]
    sound, sample_rate = _synthesise(sys.stdin.buffer.read(), voice)
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(sound)


if __name__ == "__main__":
    main()
