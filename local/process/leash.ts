/**
 * Preloaded (`--import`) into every Node child: when the supervisor is gone, however it went, the child has a second to end by itself and is then
 * killed. Does nothing in a process without an IPC channel.
 */
const GRACE_MS = 1000;

if (process.channel !== undefined && process.channel !== null) {
  process.on('disconnect', () => {
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), GRACE_MS);
  });
  // The listener alone must not keep a process alive that has nothing else to do.
  process.channel.unref();
}
