"""What happens around every message: heartbeat, pause, logs, metrics, traces."""
