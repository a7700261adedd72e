// A bundle of its own, loaded only when a light copy is made: a small version of the file by WebCodecs, 240 lines, ten pictures a
// second, one channel of sound; sound alone where the pictures cannot be read or written here. Knows nothing of sending.

import {
  ADTS, type AudioCodec, BlobSource, canEncodeAudio, Conversion, FLAC, getFirstEncodableVideoCodec, Input, type InputVideoTrack, MATROSKA,
  MP3, MP4, Mp4OutputFormat, MPEG_TS, OGG, Output, QTFF, Quality, StreamTarget, type StreamTargetChunk, type VideoCodec, WAVE, WEBM,
  WebMOutputFormat,
} from "mediabunny";
import { Patched } from "./patched.js";

const LINES = 240;
const PICTURES_PER_S = 10;
const KEY_EVERY_S = 6;
const WRITE_BYTES = 1 << 20; // how much the maker holds before it is handed to the browser
const VIDEO = new Quality({ bitrate: 80_000 });
const SOUND = new Quality({ bitrate: 24_000 });

export interface Made {
  blob: Blob;
  name: string;
  type: string;
  soundOnly: boolean;
}

interface Kind {
  format: WebMOutputFormat | Mp4OutputFormat;
  video: VideoCodec | null;
  sound: AudioCodec;
  extension: string;
}

async function writable(): Promise<Kind | null> {
  const size = { width: 426, height: LINES, quality: VIDEO };
  const voice = { numberOfChannels: 1, sampleRate: 48_000, quality: SOUND };
  const free = await getFirstEncodableVideoCodec(["vp9", "vp8"], size);
  const opus = await canEncodeAudio("opus", voice);
  if (opus && free) return { format: new WebMOutputFormat(), video: free, sound: "opus", extension: "webm" };
  const avc = await getFirstEncodableVideoCodec(["avc"], size);
  const aac = await canEncodeAudio("aac", voice);
  if (aac || (opus && avc)) return { format: new Mp4OutputFormat({ fastStart: false }), video: avc, sound: aac ? "aac" : "opus", extension: "mp4" };
  return opus ? { format: new WebMOutputFormat(), video: null, sound: "opus", extension: "webm" } : null;
}

async function smaller(track: InputVideoTrack): Promise<{ width: number; height: number }> {
  const [width, height] = [await track.getDisplayWidth(), await track.getDisplayHeight()];
  const scale = Math.min(1, LINES / Math.min(width, height));
  const even = (side: number): number => Math.max(2, 2 * Math.round((side * scale) / 2));
  return { width: even(width), height: even(height) };
}

/** Makes the copy; `progress` from 0 to 1. Rejects where this browser cannot, and when `cancel` says so. */
export async function make(file: File, progress: (done: number) => void, cancel: AbortSignal): Promise<Made> {
  const kind = await writable();
  if (!kind) throw new Error("nothing can be written here");
  const input = new Input({ source: new BlobSource(file), formats: [MP4, QTFF, MATROSKA, WEBM, MPEG_TS, MP3, ADTS, OGG, WAVE, FLAC] });
  const kept = new Patched();
  const stream = new WritableStream<StreamTargetChunk>({ write: (piece) => kept.write(piece.position, piece.data) });
  const output = new Output({ format: kind.format, target: new StreamTarget(stream, { chunked: true, chunkSize: WRITE_BYTES }) });
  const { video, sound } = kind;
  const conversion = await Conversion.init({
    input, output, tracks: "primary", copy: false, showWarnings: false,
    video: video
      ? async (track) => ({ ...(await smaller(track)), fit: "fill", codec: video, quality: VIDEO, frameRate: PICTURES_PER_S, keyFrameInterval: KEY_EVERY_S })
      : { discard: true },
    audio: { codec: sound, quality: SOUND, numberOfChannels: 1, sampleRate: 48_000 },
  });
  if (!conversion.isValid) throw new Error("nothing of this file can be read here");
  conversion.onProgress = progress;
  const onCancel = (): void => void conversion.cancel();
  cancel.addEventListener("abort", onCancel);
  try {
    if (cancel.aborted) throw new Error("cancelled");
    await conversion.execute();
  } finally {
    cancel.removeEventListener("abort", onCancel);
    input.dispose();
  }
  const soundOnly = !conversion.utilizedTracks.some((track) => track.type === "video");
  const type = (soundOnly ? "audio/" : "video/") + kind.extension;
  return { blob: kept.whole(), name: file.name.replace(/\.[^.]*$/, "") + "." + kind.extension, type, soundOnly };
}
