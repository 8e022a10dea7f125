// SPDX-License-Identifier: MIT
// What Node makes of requests: as read-heads.c, but for their lengths.
import http from "node:http";
import readline from "node:readline";
import { Duplex } from "node:stream";

const AT_ONCE = 250;
const hex = (text) => " " + Buffer.from(text, "latin1").toString("hex");

const server = http.createServer({ keepAliveTimeout: 0 });

function take(request, response) {
    const told = request.socket.told;
    const body = [];
    if (told.seen++) return;
    request.on("data", (data) => body.push(data));
    request.on("end", () => {
        told.answer ??= "request" + hex(request.method) + hex(request.url)
            + " " + Buffer.concat(body).toString("hex")
            + request.rawHeaders.map(hex).join("");
    });
    response.on("error", () => {});
}

server.on("request", take);
server.on("checkContinue", take);
server.on("checkExpectation", take);
server.on("clientError", (error, socket) => {
    socket.told.answer ??= error.code === "HPE_INVALID_EOF_STATE" ? "more" : "refused";
    socket.destroy();
});

function serve(bytes) {
    const told = { seen: 0 };
    const socket = new Duplex({
        read() {},
        write(data, encoding, done) {
            if (!told.seen && /^HTTP\/1.1 4/.test(data.toString("latin1"))) told.answer ??= "refused";
            done();
        },
    });
    socket.told = told;
    socket.setTimeout = socket.setNoDelay = socket.setKeepAlive = () => socket;
    socket.on("error", () => {});
    server.emit("connection", socket);
    socket.push(bytes);
    socket.push(null);
    return told;
}

async function flush(batch) {
    await new Promise((done) => setTimeout(done, 20));
    for (const told of batch) console.log(told.answer ?? "more");
}

let batch = [];
for await (const line of readline.createInterface({ input: process.stdin })) {
    batch.push(serve(Buffer.from(line, "hex")));
    if (batch.length === AT_ONCE) {
        await flush(batch);
        batch = [];
    }
}
await flush(batch);
process.exit(0);
