// Sends a file with tus-js-client's own Node build: `node send.mjs ENDPOINT TOKEN FILE KBIT_S [STORE]`.
// Says each acknowledged or sent state on stdout, one JSON object a line; ends with {"done": url} or {"failed": text}.
import fs from 'node:fs'
import { Readable } from 'node:stream'
import { createRequire } from 'node:module'

const tus = createRequire(import.meta.url)('tus-js-client')
const [endpoint, token, file, rate] = process.argv.slice(2)
const size = fs.statSync(file).size
const bytesPerSecond = (Number(rate) * 1000) / 8
const counted = { sent: 0, requests: [] }

const say = (words) => process.stdout.write(JSON.stringify(words) + '\n')

// A thin uplink: what is read of the file is let go at the line's pace, and counted.
class ThinSource {
  constructor() {
    this.size = size
  }

  async slice(start, end) {
    const until = Math.min(end, size)
    const read = async function* () {
      const handle = await fs.promises.open(file)
      try {
        for (let at = start; at < until; ) {
          const block = Buffer.alloc(Math.min(4096, until - at))
          await handle.read(block, 0, block.length, at)
          await new Promise((resolve) => setTimeout(resolve, (block.length / bytesPerSecond) * 1000))
          counted.sent += block.length
          at += block.length
          yield block
        }
      } finally {
        await handle.close()
      }
    }
    const value = Readable.from(read(), { objectMode: false, highWaterMark: 4096 })
    value.size = until - start
    return { value, done: until >= size }
  }

  close() {}
}

const upload = new tus.Upload(fs.createReadStream(file), {
  endpoint,
  headers: { Authorization: `EduHub-Intent ${token}` },
  uploadSize: size,
  chunkSize: Infinity,
  retryDelays: Array(200).fill(100),
  metadata: { filename: 'rain.mp4', modified: '1700000000000', sample: 'abc' },
  fileReader: { openFile: async () => new ThinSource() },
  storeFingerprintForResuming: false,
  onAfterResponse: (request, response) => {
    counted.requests.push([request.getMethod(), response.getStatus()])
    say({ method: request.getMethod(), status: response.getStatus(), offset: response.getHeader('Upload-Offset') ?? null })
  },
  onProgress: (sent) => say({ sent }),
  onError: (error) => {
    say({ failed: String(error), ...counted })
    process.exit(1)
  },
  onSuccess: () => {
    say({ done: upload.url, size, ...counted })
    process.exit(0)
  },
})
upload.start()
