// As peer.py, with JeroMQ 0.3, which speaks ZMTP 2.0: subscriptions are messages there.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.zeromq.ZMQ;

public class Peer {
    static final Map<String, Integer> TYPES = Map.of(
        "pub", ZMQ.PUB, "sub", ZMQ.SUB, "push", ZMQ.PUSH, "pull", ZMQ.PULL, "req", ZMQ.REQ,
        "rep", ZMQ.REP, "dealer", ZMQ.DEALER, "router", ZMQ.ROUTER);
    static final Map<String, ZMQ.Socket> sockets = new HashMap<>();
    static final ZMQ.Context context = ZMQ.context(1);

    static byte[] decoded(String frame) {
        return HexFormat.of().parseHex(frame.substring(1));
    }

    static String open(String[] words) {
        ZMQ.Socket made = context.socket(TYPES.get(words[2]));
        sockets.put(words[1], made);
        made.setLinger(0);
        made.setReconnectIVL(20);
        made.connect(words[3]);
        return "ok";
    }

    static String send(ZMQ.Socket socket, String[] words) {
        for (int at = 2; at < words.length; at++) {
            socket.send(decoded(words[at]), at < words.length - 1 ? ZMQ.SNDMORE : 0);
        }
        return "ok";
    }

    static String receive(ZMQ.Socket socket, int milliseconds) {
        socket.setReceiveTimeOut(milliseconds);
        byte[] frame = socket.recv();
        if (frame == null) {
            return "none";
        }
        StringBuilder said = new StringBuilder("x" + HexFormat.of().formatHex(frame));
        while (socket.hasReceiveMore()) {
            said.append(" x").append(HexFormat.of().formatHex(socket.recv()));
        }
        return said.toString();
    }

    static String obey(String[] words) {
        ZMQ.Socket socket = sockets.get(words[1]);
        switch (words[0]) {
            case "open": return open(words);
            case "send": return send(socket, words);
            case "receive": return receive(socket, Integer.parseInt(words[2]));
            case "subscribe": socket.subscribe(decoded(words[2])); return "ok";
            case "close": sockets.remove(words[1]).close(); return "ok";
            default: throw new IllegalArgumentException(words[0]);
        }
    }

    public static void main(String[] none) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            System.out.println(obey(line.split(" ")));
        }
        System.exit(0);
    }
}
