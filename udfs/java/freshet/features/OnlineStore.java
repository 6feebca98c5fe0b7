package freshet.features;

import io.lettuce.core.ClientOptions;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisNoScriptException;
import io.lettuce.core.RedisURI;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.SocketOptions;
import io.lettuce.core.TimeoutOptions;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.codec.ByteArrayCodec;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.apache.flink.metrics.Counter;

/**
 * The online store as a writer sees it: takes values, and tells once the server has answered for them.
 *
 * <p>While calls are under way the next one gathers, the newest value of each place only: few writes leave at once, many
 * share a call. The version check and the write are one script on the server, so a repeated write changes nothing.
 *
 * <p>One failure is the end: everybody who waits is told, and nothing more is sent. The job then starts again from its
 * checkpoint. That holds for a lost connection too, since the server behind the next one may have forgotten its last second.
 */
public final class OnlineStore implements AutoCloseable {
    private static final int CALLS_UNDER_WAY = 2;
    private static final int VALUES_A_CALL = 64; // enough to share its cost, few enough that others soon get their turn
    private static final Duration TIMEOUT = Duration.ofSeconds(5);

    private final String script;
    private final List<byte[]> arguments;
    private final Counter accepted;
    private final Counter refused;
    private final RedisClient client;
    private final StatefulRedisConnection<byte[], byte[]> connection;
    private final String digest;

    // What follows is shared with the client's threads, under this object's lock. The client itself is never called with the
    // lock held: it has locks of its own, and holds them when it tells us of a lost connection.
    private final Map<ByteBuffer, Waiting> gathering = new LinkedHashMap<>();
    private int underWay;
    private Throwable failure;
    private boolean isClosed;

    /** What is written to one place: a newer value of the same place takes its turn. */
    public interface Value {
        /** Returns what tells the place from others. */
        ByteBuffer place();

        /** Tells whether this value is to be written rather than another one of its place. */
        boolean isAsNewAs(Value other);

        /** Adds what the script is told of this value: keys, and arguments. */
        void tell(List<byte[]> keys, List<byte[]> arguments);
    }

    /** Hears, once and on any thread, that the server has answered; {@code error} is null unless the write may not be there. */
    public interface Waiter {
        void answered(Throwable error);
    }

    /** The newest value of a place, and who waits for it. */
    private static final class Waiting {
        private Value newest;
        private final List<Waiter> waiters = new ArrayList<>(2);

        void add(Value value, Waiter waiter) {
            newest = newest == null || value.isAsNewAs(newest) ? value : newest;
            waiters.add(waiter);
        }
    }

    /** Connects; throws if the server does not answer. The script gets these arguments before those of the values. */
    public OnlineStore(String url, String script, List<byte[]> arguments, Counter accepted, Counter refused) {
        this.script = script;
        this.arguments = arguments;
        this.accepted = accepted;
        this.refused = refused;
        RedisURI uri = RedisURI.create(url);
        uri.setTimeout(TIMEOUT);
        client = RedisClient.create(uri);
        try {
            client.setOptions(ClientOptions.builder()
                    .autoReconnect(false)
                    .disconnectedBehavior(ClientOptions.DisconnectedBehavior.REJECT_COMMANDS)
                    .socketOptions(SocketOptions.builder()
                            .connectTimeout(TIMEOUT)
                            .keepAlive(true)
                            .build())
                    .timeoutOptions(TimeoutOptions.enabled(TIMEOUT))
                    .build());
            connection = client.connect(ByteArrayCodec.INSTANCE);
            digest = connection.sync().scriptLoad(script.getBytes(StandardCharsets.UTF_8));
        } catch (RuntimeException error) {
            client.shutdown(Duration.ZERO, Duration.ofSeconds(2));
            throw error;
        }
    }

    /** Writes a value unless a newer one stands in the store; returns at once. */
    public void write(Value value, Waiter waiter) {
        Throwable ended = gather(value, waiter);
        if (ended != null) {
            waiter.answered(ended);
        } else {
            send();
        }
    }

    private synchronized Throwable gather(Value value, Waiter waiter) {
        if (failure == null) {
            gathering.computeIfAbsent(value.place(), none -> new Waiting()).add(value, waiter);
        }
        return failure;
    }

    private void send() {
        for (List<Waiting> batch = next(); !batch.isEmpty(); batch = next()) {
            List<Waiting> sent = batch;
            call(sent).whenComplete((answers, error) -> answered(sent, answers, error));
        }
    }

    /** Returns what the next call is to hold: nothing while others are under way, or after a failure. */
    private synchronized List<Waiting> next() {
        if (failure != null || underWay == CALLS_UNDER_WAY || gathering.isEmpty()) {
            return List.of();
        }
        List<Waiting> batch = new ArrayList<>(Math.min(gathering.size(), VALUES_A_CALL));
        Iterator<Waiting> rest = gathering.values().iterator();
        while (rest.hasNext() && batch.size() < VALUES_A_CALL) {
            batch.add(rest.next());
            rest.remove();
        }
        underWay++;
        return batch;
    }

    private CompletionStage<List<Long>> call(List<Waiting> batch) {
        try {
            List<byte[]> places = new ArrayList<>(2 * batch.size());
            List<byte[]> told = new ArrayList<>(32 * batch.size());
            told.addAll(arguments);
            batch.forEach(waiting -> waiting.newest.tell(places, told));
            byte[][] keys = places.toArray(byte[][]::new);
            byte[][] values = told.toArray(byte[][]::new);
            return connection
                    .async()
                    .<List<Long>>evalsha(digest, ScriptOutputType.MULTI, keys, values)
                    .exceptionallyCompose(error -> again(error, keys, values));
        } catch (RuntimeException error) {
            return CompletableFuture.failedStage(error);
        }
    }

    /** Brings the script along when the server has forgotten it. */
    private CompletionStage<List<Long>> again(Throwable error, byte[][] keys, byte[][] values) {
        return error instanceof RedisNoScriptException
                ? connection.async().eval(script, ScriptOutputType.MULTI, keys, values)
                : CompletableFuture.failedStage(error);
    }

    /** Returns a number as an argument of a script. */
    public static byte[] number(long number) {
        return Long.toString(number).getBytes(StandardCharsets.US_ASCII);
    }

    private void answered(List<Waiting> batch, List<Long> answers, Throwable error) {
        List<Waiting> told = settle(batch, answers, error);
        send();
        told.forEach(waiting -> waiting.waiters.forEach(waiter -> waiter.answered(error)));
    }

    /** Returns who is to be told of a call's end: after a failure, those who still gather too. */
    private synchronized List<Waiting> settle(List<Waiting> batch, List<Long> answers, Throwable error) {
        underWay--;
        if (isClosed) {
            return List.of();
        }
        if (error == null) {
            long written = answers.stream().mapToLong(Long::longValue).sum();
            accepted.inc(written);
            refused.inc(batch.size() - written);
            return batch;
        }
        failure = failure == null ? error : failure;
        List<Waiting> all = new ArrayList<>(batch);
        all.addAll(gathering.values());
        gathering.clear();
        return all;
    }

    /** Disconnects; who still waits is told nothing. */
    @Override
    public void close() {
        synchronized (this) {
            isClosed = true;
            failure = failure == null ? new IllegalStateException("the online store is closed") : failure;
            gathering.clear();
        }
        connection.close();
        client.shutdown(Duration.ZERO, Duration.ofSeconds(2));
    }
}
