"""CC messages over ZMTP, the protocol of `cc-socket`; its bytes are in `ccproxy.wire.cc`."""
