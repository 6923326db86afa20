// The server of Fluent's own library: writes what it receives to standard output, a line an event, and its port to
// standard error. Arguments: the folder with the library, and the server's options.
const fs = require("fs");
const [folder, text] = process.argv.slice(2);
const { FluentServer } = require(`${folder}/node_modules/@fluent-org/logger`);

const { tls, ...options } = JSON.parse(text);
if (tls) {
	options.tlsOptions = { key: fs.readFileSync(tls.key), cert: fs.readFileSync(tls.cert) };
}

class Server extends FluentServer {
	onEntry(tag, time, record) {
		fs.writeSync(1, JSON.stringify({ tag, time: [time.epoch, time.nano], record }) + "\n");
	}
}

const server = new Server({ ...options, listenOptions: { port: 0, host: "127.0.0.1" } });
server.listen().then(() => fs.writeSync(2, `${server.port}\n`));
