"""HLS playlists over the same bytes, for any standard player (RFC 8216, version 7).

One segment is one group of pictures, as a byte range of its track. How a URI is written is
the caller's business: the name of a file in a folder, or a bare hash within a package.

This module must not know files, ffmpeg or the database.
"""

from collections.abc import Callable, Sequence

from eduhub.media.ladder import GOP_S
from eduhub.media.segment import Track

MEDIA_TYPE = "application/vnd.apple.mpegurl"
VERSION = 7


def media_playlist(track: Track, uri: str) -> str:
    """The playlist of one track whose bytes are at `uri`."""
    segments = list(track.segments(GOP_S))
    longest_s = max(ticks for _offset, _bytes, ticks in segments) / track.init.timescale
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION}",
        # No segment, rounded to whole seconds, may be longer than this.
        f"#EXT-X-TARGETDURATION:{max(1, int(longest_s + 0.5))}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{uri}",BYTERANGE="{track.init.bytes}@0"',
    ]
    for offset, size, ticks in segments:
        lines += [f"#EXTINF:{ticks / track.init.timescale:.6f},", f"#EXT-X-BYTERANGE:{size}@{offset}", uri]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def master_playlist(tracks: Sequence[Track], uri_of: Callable[[str], str]) -> str:
    """The multivariant playlist. `uri_of` gives the URI of the media playlist of a track by its name.

    Variants that share pictures differ by sound codec; a player takes those it can decode.
    AAC comes first, because every player can.
    """
    video: list[Track | None] = [track for track in tracks if track.kind == "video"]
    audio: list[Track | None] = [track for track in tracks if track.kind == "audio"]
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    if video:
        lines += [_audio_group(track, uri_of(track.name)) for track in tracks if track.kind == "audio"]
    for sound in audio or [None]:
        for picture in video or [None]:
            carried = [track for track in (picture, sound) if track]
            lines += [_variant(carried, group=sound if video else None), uri_of(carried[0].name)]
    return "\n".join([*lines, ""])


def _audio_group(track: Track, uri: str) -> str:
    language = f',LANGUAGE="{track.language}"' if track.language else ""
    return (
        f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{track.name}",NAME="{track.language or "voice"}"{language},'
        f'DEFAULT=YES,AUTOSELECT=YES,CHANNELS="{track.init.channels}",URI="{uri}"'
    )


def _variant(carried: Sequence[Track], group: Track | None) -> str:
    codecs = ",".join(track.init.codec for track in carried)
    mean, peak = sum(track.bandwidth_bps for track in carried), sum(peak_bps(track) for track in carried)
    line = f'#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={mean},CODECS="{codecs}"'
    picture = carried[0]
    if picture.fps_milli is not None:
        line += f",RESOLUTION={picture.init.width}x{picture.init.height},FRAME-RATE={picture.fps_milli / 1000:.3f}"
    return line + (f',AUDIO="{group.name}"' if group else "")


def peak_bps(track: Track) -> int:
    """The rate of its heaviest segment, rounded up; what HLS calls BANDWIDTH.

    A last segment of less than half the target is left out, as RFC 8216 says.
    """
    segments = list(track.segments(GOP_S))
    full = [found for found in segments if 2 * found[2] >= GOP_S * track.init.timescale] or segments
    peak = max(-(-8 * size * track.init.timescale // ticks) for _offset, size, ticks in full)
    return max(peak, track.bandwidth_bps)  # of a short track the header weighs more than a peak does
