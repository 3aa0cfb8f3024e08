// SPDX-License-Identifier: Apache-2.0
// What Java programs do, in the directory named, printed so that two runs can be compared; then, on
// the port named, an HTTP server with many threads.
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

public class Everything {
    static int depth(int n) {
        return depth(n + 1) + 1;
    }

    static void threads() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(100);
        List<Future<Integer>> results = new ArrayList<>();
        for (int i = 0; i < 2000; i++) {
            int n = i;
            results.add(pool.submit(() -> {
                byte[][] garbage = new byte[50][];
                for (int k = 0; k < 50; k++)
                    garbage[k] = new byte[10000];
                return garbage.length + n;
            }));
        }
        long sum = 0;
        for (Future<Integer> result : results)
            sum += result.get();
        pool.shutdown();
        for (int i = 0; i < 2000; i++) {
            Thread thread = new Thread(() -> {});
            thread.start();
            thread.join();
        }
        System.out.println("threads " + sum);
        System.gc();
    }

    static void faults() {
        int caught = 0;
        for (int i = 0; i < 20000; i++) {
            try {
                Object nothing = i % 2 == 0 ? null : "";
                caught += nothing.hashCode();
            } catch (NullPointerException why) {
                caught++;
            }
        }
        try {
            depth(0);
        } catch (StackOverflowError why) {
            System.out.println("caught " + caught + " and the stack's end");
        }
    }

    static void files(Path dir) throws Exception {
        Path path = dir.resolve("file");
        Files.writeString(path, "hi".repeat(100000));
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            var map = channel.map(FileChannel.MapMode.READ_WRITE, 0, 8192);
            map.put(5000, (byte) 'X');
            map.force();
            ByteBuffer direct = ByteBuffer.allocateDirect(16);
            System.out.println(channel.tryLock() != null && channel.read(direct, 4995) == 16);
        }
        System.out.println(Files.size(path) + " " + Files.readString(path).charAt(5000));
        Files.move(path, dir.resolve("moved"));
        try (var list = Files.list(dir)) {
            System.out.println(list.map(p -> p.getFileName().toString()).sorted().toList());
        }
    }

    static void children() throws Exception {
        Process child = new ProcessBuilder("sh", "-c", "read x; echo child $x; exit 3").start();
        child.getOutputStream().write("said\n".getBytes(StandardCharsets.US_ASCII));
        child.getOutputStream().close();
        System.out.print(new String(child.getInputStream().readAllBytes(), StandardCharsets.US_ASCII));
        System.out.println(child.waitFor());
    }

    public static void main(String[] args) throws Exception {
        Path dir = Path.of(args[0]);
        threads();
        faults();
        files(dir);
        children();
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[1])), 500);
        server.setExecutor(Executors.newFixedThreadPool(64));
        server.createContext("/", exchange -> {
            if (exchange.getRequestMethod().equals("PUT"))
                Files.write(dir.resolve("put"), exchange.getRequestBody().readAllBytes());
            byte[] body = exchange.getRequestMethod().equals("GET") && exchange.getRequestURI().getPath().equals("/put")
                ? Files.readAllBytes(dir.resolve("put"))
                : ("java " + exchange.getRequestURI()).getBytes(StandardCharsets.US_ASCII);
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
        System.out.println("serving");
    }
}
