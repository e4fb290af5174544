from ccproxy.wire.zmtp.boxes import open_frames as open_frames
from ccproxy.wire.zmtp.boxes import seal_frames as seal_frames
