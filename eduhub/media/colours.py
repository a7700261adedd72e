"""Bring any picture to the size and the colours of our renditions: yuv420p, 8 bit, BT.709, and say so in the file.

HDR is mapped to the light of a usual screen: paper white (203 cd/m2) becomes a light grey that leaves room for lamps and windows,
up to 1000 cd/m2. Where ffmpeg was built without zscale, one curve over the brightness stands in for it: colours are
paler then, but writing stays legible.

This module must not know files, processes or the database.
"""

from typing import Any

from eduhub.media.facts import VideoFacts

NEEDED_FILTERS = frozenset({"zscale", "tonemap"})
_TRANSFERS = {"pq": "smpte2084", "hlg": "arib-std-b67"}
_PAPER_WHITE, _BRIGHTEST = 203, 1000

# SMPTE ST 2084 from signal to light as a part of paper white, Reinhard's curve with room up to _BRIGHTEST, and a screen's
# gamma; over the luma of limited range. ffmpeg works it out once for each of 256 values.
_PQ_SIGNAL = "pow(clip((val-16)/219,0,1),1/78.84375)"
_PQ_LIGHT = f"{10_000 / _PAPER_WHITE:.4f}*pow(max({_PQ_SIGNAL}-0.8359375,0)/(18.8515625-18.6875*{_PQ_SIGNAL}),1/0.1593017578)"
_PQ_CURVE = (
    f"st(0,{_PQ_LIGHT})*0+16+219*pow(min(1,ld(0)*(1+ld(0)/{(_BRIGHTEST / _PAPER_WHITE) ** 2:.3f})/(1+ld(0))),1/2.2)"
)


def sized(picture: Any, width: int, height: int, video: VideoFacts, *, tone_maps: bool, matrix: str = "bt709") -> Any:
    """The picture in this size and in our colours. `matrix`: bt709, or bt601 for WebP, which knows no other."""
    if video.hdr and tone_maps:
        picture = _tone_mapped(picture, width, height, video.hdr, matrix)
    else:
        picture = picture.filter(
            "scale", width, height, flags="bicubic", in_color_matrix=video.matrix, out_color_matrix=matrix, out_range="tv"
        ).filter("format", "yuv420p")
        if video.hdr == "pq":
            picture = picture.filter("lutyuv", y=_PQ_CURVE)
    colorspace = "bt709" if matrix == "bt709" else "smpte170m"
    return picture.filter("setsar", 1).filter(
        "setparams", range="tv", color_primaries="bt709", color_trc="bt709", colorspace=colorspace
    )


def _tone_mapped(picture: Any, width: int, height: int, hdr: str, matrix: str) -> Any:
    # Made small first: light is worked out in floating point, which is dear in 4K.
    small = picture.filter("scale", width, height, flags="bicubic").filter("format", "yuv420p10le")
    light = small.filter(
        "zscale", tin=_TRANSFERS[hdr], pin="bt2020", min="2020_ncl", t="linear", npl=_PAPER_WHITE
    ).filter("format", "gbrpf32le")
    mapped = light.filter("zscale", p="bt709").filter(
        "tonemap", tonemap="mobius", param=0.3, desat=0, peak=f"{_BRIGHTEST / _PAPER_WHITE:.3f}"
    )
    return mapped.filter("zscale", t="bt709", m="709" if matrix == "bt709" else "170m", r="tv").filter("format", "yuv420p")
