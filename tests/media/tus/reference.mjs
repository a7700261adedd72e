// The reference: @tus/server with @tus/file-store, in the folder of the first argument. Says its port on stdout.
import { Server } from '@tus/server'
import { FileStore } from '@tus/file-store'

const [directory, maxSize] = process.argv.slice(2)
const datastore = new FileStore({ directory, expirationPeriodInMilliseconds: 7 * 24 * 3600 * 1000 })
const server = new Server({ path: '/media/uploads', datastore, maxSize: Number(maxSize), relativeLocation: true })
const listening = server.listen({ host: '127.0.0.1', port: 0 }, () => {
  process.stdout.write(`${listening.address().port}\n`)
})
