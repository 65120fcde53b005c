// The entry of `npm start` and `npm run demo`, in plain JavaScript: an older Node could not even read the TypeScript that tells it so.
const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  console.error(
    `Paceline needs Node 24 or later and this is ${process.version}: use "npm start" after "npm ci" on Linux or Windows x64 or Linux arm64 (it brings its own Node), or install Node 24.`,
  );
  process.exit(1);
}
const [first, ...rest] = process.argv.slice(2);
process.exitCode =
  first === 'demo'
    ? await (await import('./demo.ts')).demo(rest)
    : await (await import('./main.ts')).main(process.argv.slice(2));
