// As peer.py, with node's zeromq.
const zmq = require('zeromq')

const [up, down] = process.argv.slice(2)

async function main () {
  const sub = new zmq.Subscriber({ linger: 0 })
  const pub = new zmq.Publisher({ linger: 0 })
  sub.subscribe('to-peer')
  pub.connect(up)
  sub.connect(down)
  let sending = false
  const timer = setInterval(async () => {
    if (sending) return
    sending = true
    await pub.send(['from-peer', '', 'x'.repeat(300)])
    sending = false
  }, 10)
  const frames = await sub.receive()
  clearInterval(timer)
  console.log(frames.map(frame => frame.length).join(' '))
  process.exit(0)
}

main().catch(error => { console.error(error); process.exit(1) })
