"""What is done to the process: pid file, background, signals, logs, memory, systemd."""
