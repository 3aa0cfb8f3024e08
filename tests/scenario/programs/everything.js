// SPDX-License-Identifier: Apache-2.0
// What Node.js programs do, in the directory named, printed so that two runs can be compared.
const fs = require('fs'), http = require('http'), child = require('child_process');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');

if (!isMainThread) {
  let sum = 0;
  for (let i = 0; i < 1e6; i++) sum += i % workerData;
  parentPort.postMessage(sum);
} else if (process.argv[2] === 'child') {
  process.on('message', m => { process.send(m * 2); process.disconnect(); });
} else {
  main(process.argv[2]);
}

function answer(n) {
  return new Promise((good, bad) => {
    const worker = new Worker(__filename, { workerData: n });
    worker.on('message', good);
    worker.on('error', bad);
  });
}

async function main(dir) {
  fs.rmSync(dir + '/d', { recursive: true, force: true });
  fs.mkdirSync(dir + '/d');
  fs.writeFileSync(dir + '/x', 'hello'.repeat(20000));
  await Promise.all([...Array(50).keys()].map(i => fs.promises.writeFile(dir + '/d/' + i, '' + i)));
  console.log(fs.readdirSync(dir + '/d').length, await fs.promises.readFile(dir + '/d/7', 'utf8'));
  console.log(await Promise.all([3, 5, 7].map(answer)));
  console.log(child.execSync('echo sync').toString(), child.spawnSync('false').status);
  console.log(child.spawnSync('cat', { input: 'q'.repeat(200000) }).stdout.length);
  const forked = child.fork(__filename, ['child']);
  forked.send(21);
  console.log(await new Promise(r => forked.on('message', r)));
  console.log(await new Promise(r => forked.on('exit', (...how) => r(how))));
  console.log(await new Promise(r => child.exec('exit 9', e => r(e.code))));
  const server = http.createServer((q, r) => fs.createReadStream(dir + '/x').pipe(r)).listen(0);
  await new Promise(r => server.on('listening', r));
  const get = () => new Promise(r => http.get({ port: server.address().port }, m => {
    let n = 0;
    m.on('data', d => n += d.length);
    m.on('end', () => r(n));
  }));
  console.log((await Promise.all([...Array(30)].map(get))).reduce((a, b) => a + b));
  server.close();
  const zlib = require('zlib'), crypto = require('crypto');
  console.log(zlib.gunzipSync(zlib.gzipSync(Buffer.alloc(1e6))).length);
  console.log(crypto.createHash('sha256').update(fs.readFileSync(dir + '/x')).digest('hex'));
  console.log(await new Promise(r => require('dns').lookup('localhost', { family: 4 }, (e, a) => r(a))));
  const caught = new Promise(r => process.once('SIGUSR2', r));
  const awake = setInterval(() => {}, 1000); // a handler alone keeps nobody waiting
  process.kill(process.pid, 'SIGUSR2');
  console.log(await caught);
  clearInterval(awake);
  console.log(fs.existsSync(dir + '/nothing'), process.ppid > 0);
}
