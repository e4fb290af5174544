// As peer.py, with JeroMQ 0.3, which speaks ZMTP 2.0: subscriptions are messages there.
import org.zeromq.ZMQ;

public class Peer {
    public static void main(String[] words) throws Exception {
        ZMQ.Context context = ZMQ.context(1);
        ZMQ.Socket sub = context.socket(ZMQ.SUB);
        ZMQ.Socket pub = context.socket(ZMQ.PUB);
        sub.setReceiveTimeOut(10);
        sub.subscribe("to-peer".getBytes());
        pub.connect(words[0]);
        sub.connect(words[1]);
        byte[] frame = sub.recv();
        while (frame == null) {
            pub.sendMore("from-peer");
            pub.sendMore("");
            pub.send(new byte[300]);
            frame = sub.recv();
        }
        StringBuilder sizes = new StringBuilder().append(frame.length);
        while (sub.hasReceiveMore()) {
            sizes.append(' ').append(sub.recv().length);
        }
        System.out.println(sizes);
        System.exit(0);
    }
}
