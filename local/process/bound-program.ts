import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';

/**
 * Starts a program without IPC that must not outlive this process, even after SIGKILL. With util-linux's setpriv on Linux, the program ends at the
 * same moment. Elsewhere the next start finds it by the pid file and kills it. `mark` is an argument that only this program has, so that another
 * process with the same pid is not killed.
 */
export function startBoundProgram(program: string, args: string[], pidFile: string, mark: string): ChildProcess {
  endFormer(pidFile, mark);
  const [command = program, ...before] = canTie() ? ['setpriv', '--pdeathsig', 'KILL', '--', program] : [program];
  const child = spawn(command, [...before, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (child.pid !== undefined) writeFileSync(pidFile, String(child.pid));
  return child;
}

/** Returns whether `setpriv --pdeathsig` works here. The setpriv of busybox does not support it. */
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
