// As peer.py, with node's zeromq.
const zmq = require('zeromq')
const readline = require('readline')

const TYPES = {
  pub: zmq.Publisher,
  sub: zmq.Subscriber,
  push: zmq.Push,
  pull: zmq.Pull,
  req: zmq.Request,
  rep: zmq.Reply,
  dealer: zmq.Dealer,
  router: zmq.Router
}
const sockets = {}
const decoded = frame => Buffer.from(frame.slice(1), 'hex')
const encoded = frame => 'x' + frame.toString('hex')

const commands = {
  open (name, kind, address) {
    sockets[name] = new TYPES[kind]({ linger: 0, reconnectInterval: 20 })
    sockets[name].connect(address)
    return 'ok'
  },

  subscribe (name, prefix) {
    sockets[name].subscribe(decoded(prefix))
    return 'ok'
  },

  async send (name, ...frames) {
    await sockets[name].send(frames.map(decoded))
    return 'ok'
  },

  async receive (name, milliseconds) {
    sockets[name].receiveTimeout = Number(milliseconds)
    try {
      return (await sockets[name].receive()).map(encoded).join(' ')
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error
      return 'none'
    }
  },

  close (name) {
    sockets[name].close()
    delete sockets[name]
    return 'ok'
  }
}

async function main () {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [word, ...rest] = line.split(' ')
    console.log(await commands[word](...rest))
  }
  process.exit(0)
}

main().catch(error => { console.error(error); process.exit(1) })
