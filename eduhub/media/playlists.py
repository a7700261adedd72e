"""HLS playlists over the same bytes, for any standard player (RFC 8216, version 7).

One segment is one group of pictures, as a byte range of its track. How a URI is written is
the caller's business: the name of a file in a folder, or a bare hash within a package.

This module must not know files, ffmpeg or the database.
"""

from collections.abc import Callable, Sequence

from eduhub.media.index import TrackRow
from eduhub.media.ladder import GOP_S

MEDIA_TYPE = "application/vnd.apple.mpegurl"
VERSION = 7


def media_playlist(track: TrackRow, uri: str) -> str:
    """The playlist of one track whose bytes are at `uri`."""
    segments = list(track.segments(GOP_S))
    longest_s = max(ticks for _offset, _bytes, ticks in segments) / track.timescale
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION}",
        # No segment, rounded to whole seconds, may be longer than this.
        f"#EXT-X-TARGETDURATION:{max(1, int(longest_s + 0.5))}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{uri}",BYTERANGE="{track.init_bytes}@0"',
    ]
    for offset, size, ticks in segments:
        lines += [f"#EXTINF:{ticks / track.timescale:.6f},", f"#EXT-X-BYTERANGE:{size}@{offset}", uri]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def master_playlist(tracks: Sequence[TrackRow], uri_of: Callable[[str], str]) -> str:
    """The multivariant playlist. `uri_of` gives the URI of the media playlist of a track by its name.

    Variants that share pictures differ by sound codec; a player takes those it can decode.
    AAC comes first, because every player can. A group holds the languages of one codec, the main one first.
    """
    video: list[TrackRow | None] = [track for track in tracks if track.kind == "video"]
    groups: dict[str, list[TrackRow]] = {}
    for track in tracks:
        if track.kind == "audio":
            groups.setdefault(_group(track), []).append(track)
    grouped = {name for name, sounds in groups.items() if video or len(sounds) > 1}
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for name in groups:
        if name in grouped:
            lines += [_media(track, is_main=track is groups[name][0], uri=uri_of(track.name)) for track in groups[name]]
    for sounds in list(groups.values()) or [[]]:
        for picture in video or [None]:
            carried = [picture] if picture else sounds[:1]
            group = _group(sounds[0]) if sounds and _group(sounds[0]) in grouped else None
            lines += [_variant(picture, sounds, group), uri_of(carried[0].name)]
    return "\n".join([*lines, ""])


def _group(track: TrackRow) -> str:
    return track.name.split("-", 1)[0]


def _media(track: TrackRow, *, is_main: bool, uri: str) -> str:
    language = f',LANGUAGE="{track.language}"' if track.language else ""
    _codec, _, named_after = track.name.partition("-")
    return (
        f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{_group(track)}",NAME="{named_after or track.language or "voice"}"{language},'
        f'DEFAULT={"YES" if is_main else "NO"},AUTOSELECT=YES,CHANNELS="{track.channels}",URI="{uri}"'
    )


def _variant(picture: TrackRow | None, sounds: Sequence[TrackRow], group: str | None) -> str:
    pictures = [picture] if picture else []
    codecs = ",".join(track.codec for track in (*pictures, *sounds[:1]))
    # Whichever language is heard, the link must carry it.
    mean = sum(track.bandwidth_bps for track in pictures) + max((sound.bandwidth_bps for sound in sounds), default=0)
    peak = sum(peak_bps(track) for track in pictures) + max((peak_bps(sound) for sound in sounds), default=0)
    line = f'#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={mean},CODECS="{codecs}"'
    if picture:
        line += f",RESOLUTION={picture.width}x{picture.height}"
        if picture.fps_milli is not None:
            line += f",FRAME-RATE={picture.fps_milli / 1000:.3f}"
    return line + (f',AUDIO="{group}"' if group else "")


def peak_bps(track: TrackRow) -> int:
    """The rate of its heaviest segment, rounded up; what HLS calls BANDWIDTH.

    A last segment of less than half the target is left out, as RFC 8216 says.
    """
    segments = list(track.segments(GOP_S))
    full = [found for found in segments if 2 * found[2] >= GOP_S * track.timescale] or segments
    peak = max(-(-8 * size * track.timescale // ticks) for _offset, size, ticks in full)
    return max(peak, track.bandwidth_bps)  # of a short track the header weighs more than a peak does
