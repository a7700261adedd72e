// A file that is written in pieces, here and there, and kept by the browser outside the script's memory. Knows no media.

/** Pieces come at positions; what is written over is replaced. Holes are zeros. */
export class Patched {
  private made = new Blob([]);

  write(position: number, data: Uint8Array<ArrayBuffer>): void {
    const { made } = this;
    const hole = position > made.size ? [new Uint8Array(position - made.size)] : [];
    this.made = new Blob([made.slice(0, position), ...hole, data, made.slice(position + data.length)]);
  }

  whole(): Blob {
    return this.made;
  }
}
