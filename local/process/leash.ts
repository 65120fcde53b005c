/**
 * Preloaded (`--import`) into each Node child. When the supervisor has ended, for any reason, the child has one second to exit and is then killed.
 * Does nothing in a process without an IPC channel.
 */
const GRACE_MS = 1000;

if (process.channel !== undefined && process.channel !== null) {
  process.on('disconnect', () => {
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), GRACE_MS);
  });
  // The listener alone must not keep a process alive that has nothing else to do.
  process.channel.unref();
}
