// What tests/e2e/test_node.py asks of node's zeromq: one job per run, the result as JSON.
const zmq = require('zeromq')
const { createHash } = require('crypto')

const [job, address, ...rest] = process.argv.slice(2)
const request = JSON.stringify({
  req: 'echo.request', time: 1.5, hostname: 'node', blob_hash: '', target: 'here'
})
const digest = frames => frames.map(frame => createHash('sha256').update(frame).digest('hex'))
// A close right after a large send ends node's zeromq 6.8 by "Bad address": wait for stdin's end.
const told = () => new Promise(resolve => process.stdin.on('end', resolve).resume())
const say = value => console.log(JSON.stringify(value))

const jobs = {
  async dealer () { // some requests at once, each with its own ids in front of the delimiter
    const socket = new zmq.Dealer({ linger: 0, receiveTimeout: 15000 })
    socket.connect(address)
    for (let n = 0; n < 20; n++) await socket.send([`Q${n}`, 'x', '', 'echo.request', request, ''])
    const found = []
    while (found.length < 20 * Number(rest[0])) {
      const [id, second, empty, type, json] = await socket.receive()
      const { orig_target: target } = JSON.parse(json)
      found.push([`${id}`, `${second}`, `${empty}`, `${type}`, target])
    }
    socket.close()
    say(found)
  },

  async request () { // one after the other
    const socket = new zmq.Request({ linger: 0, receiveTimeout: 15000, routingId: 'node-req' })
    socket.connect(address)
    const found = []
    for (let n = 0; n < 20; n++) {
      await socket.send(['echo.request', request, ''])
      found.push(`${(await socket.receive())[0]}`)
    }
    socket.close()
    say(found)
  },

  async bodies () { // what comes back of bodies of these sizes
    const socket = new zmq.Dealer({ linger: 0, receiveTimeout: 30000 })
    socket.connect(address)
    const found = []
    for (const size of rest.map(Number)) {
      const body = Buffer.alloc(size, size % 251)
      const frames = ['', 'data.x', '{}', '', body, '', 'more']
      await socket.send(frames)
      const back = await socket.receive()
      found.push(digest(back).join() === digest(frames.map(one => Buffer.from(one))).join())
    }
    socket.close()
    say(found)
  },

  async router () { // a far side: sends back what comes, as often as told
    const socket = new zmq.Router({ linger: 0, receiveTimeout: 30000 })
    await socket.bind(address)
    let bytes = 0
    for (let n = 0; n < Number(rest[0]); n++) {
      const frames = await socket.receive()
      bytes += frames.reduce((sum, frame) => sum + frame.length, 0)
      await socket.send(frames)
    }
    await told()
    socket.close()
    say(bytes)
  },

  async reply () { // a far side that takes the envelope off and puts it on again
    const socket = new zmq.Reply({ linger: 0, receiveTimeout: 30000 })
    await socket.bind(address)
    for (let n = 0; n < Number(rest[0]); n++) {
      const [type] = await socket.receive()
      await socket.send(['answer', type])
    }
    await told()
    socket.close()
    say('done')
  }
}

jobs[job]().catch(error => { console.error(error); process.exit(1) })
