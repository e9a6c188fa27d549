// SPDX-License-Identifier: Apache-2.0
import io.opentelemetry.api.GlobalOpenTelemetry;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Scope;
import java.io.IOException;
import java.io.PrintWriter;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Spends CPU time inside and outside of spans of the OpenTelemetry API, which an agent implements and
 * publishes, and logs the truth in the form of ../truth.h. Usage: Writer SECONDS LOG
 */
public final class Writer {
    private static final int THREADS = 3;
    private static final long[] SPAN_US = {50, 1_000, 20_000, 150_000};
    private static final long WARM_UP_US = 2_000_000; // an agent starts in the background
    private static final ThreadMXBean CPU = ManagementFactory.getThreadMXBean();

    private static volatile long sink;

    static void churn(long us) {
        long end = CPU.getCurrentThreadCpuTime() + us * 1000;
        long x = us;
        while (CPU.getCurrentThreadCpuTime() < end)
            for (int i = 0; i < 500; i++)
                x = x * 6364136223846793005L + 1;
        sink = x;
    }

    /** One span and the log line that says what was true of it. */
    static String serve(Tracer tracer, long tid, long us) {
        Span span = tracer.spanBuilder("serve").setNoParent().startSpan();
        long outerStart = System.nanoTime(), innerStart, innerEnd, before, spent;
        try (Scope scope = span.makeCurrent()) {
            innerStart = System.nanoTime();
            before = CPU.getCurrentThreadCpuTime();
            churn(us);
            spent = CPU.getCurrentThreadCpuTime() - before;
            innerEnd = System.nanoTime();
        }
        long outerEnd = System.nanoTime();
        span.end();
        return String.format(Locale.ROOT,
            "{\"type\":\"span\",\"name\":\"serve\",\"tid\":%d,\"span_id\":\"%s\",\"trace_id\":\"%s\","
                + "\"parent_id\":\"0000000000000000\",\"outer_start\":%d,\"inner_start\":%d,"
                + "\"inner_end\":%d,\"outer_end\":%d,\"cpu_ns\":%d,\"work\":{}}",
            tid, span.getSpanContext().getSpanId(), span.getSpanContext().getTraceId(), outerStart,
            innerStart, innerEnd, outerEnd, spent);
    }

    static long tid() {
        try {
            String path = Files.readSymbolicLink(Path.of("/proc/thread-self")).toString();
            return Long.parseLong(path.substring(path.lastIndexOf('/') + 1));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    static void work(Tracer tracer, int first, long until, List<String> log) {
        long tid = tid(), start = System.nanoTime();
        for (int number = first; System.nanoTime() < until; number++) {
            log.add(serve(tracer, tid, SPAN_US[number % SPAN_US.length]));
            churn(200);
        }
        log.add(String.format(Locale.ROOT,
            "{\"type\":\"thread\",\"tid\":%d,\"start\":%d,\"end\":%d,\"cpu_ns\":%d,\"work\":{}}", tid,
            start, System.nanoTime(), CPU.getCurrentThreadCpuTime()));
    }

    public static void main(String[] args) throws Exception {
        Tracer tracer = GlobalOpenTelemetry.getTracer("writer");
        List<List<String>> logs = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();

        logs.add(List.of(serve(tracer, tid(), 1))); // publishes
        churn(WARM_UP_US);
        long until = System.nanoTime() + (long) (Double.parseDouble(args[0]) * 1e9);
        for (int i = 0; i < THREADS; i++) {
            int first = i;
            List<String> log = new ArrayList<>();
            logs.add(log);
            threads.add(new Thread(() -> work(tracer, first, until, log)));
        }
        for (Thread thread : threads)
            thread.start();
        for (Thread thread : threads)
            thread.join();
        try (PrintWriter out = new PrintWriter(args[1])) {
            for (List<String> log : logs)
                log.forEach(out::println);
            out.println("{\"type\":\"process\",\"pid\":" + ProcessHandle.current().pid() + "}");
        }
        System.exit(0); // the agent's threads may live on
    }
}
