import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';

/**
 * Starts a program that knows nothing of IPC so that it does not outlive us, even after SIGKILL: where the system can tie it to us (util-linux's
 * setpriv on Linux), it ends in the same moment; elsewhere the next start finds it by the pid file and ends it. `mark` is an argument that
 * only this program has, so that a number that now belongs to another process is left alone.
 */
export function startBoundProgram(program: string, args: string[], pidFile: string, mark: string): ChildProcess {
  endFormer(pidFile, mark);
  const [command = program, ...before] = canTie() ? ['setpriv', '--pdeathsig', 'KILL', '--', program] : [program];
  const child = spawn(command, [...before, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (child.pid !== undefined) writeFileSync(pidFile, String(child.pid));
  return child;
}

/** Whether `setpriv --pdeathsig` works here; busybox's does not know it. */
export function canTie(): boolean {
  return process.platform === 'linux' && spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']).status === 0;
}

function endFormer(pidFile: string, mark: string): void {
  try {
    const pid = Number(readFileSync(pidFile, 'utf8'));
    if (pid > 1 && commandLine(pid).includes(mark)) process.kill(pid, 'SIGKILL');
  } catch {
    // No file, or no such process any more.
  }
  rmSync(pidFile, { force: true });
}

function commandLine(pid: number): string {
  if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
}
