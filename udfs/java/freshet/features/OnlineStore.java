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
 * The online store as the writer sees it: takes the values of entities, and tells once the server has answered for them.
 *
 * <p>While calls are under way the next one gathers, the newest values of each entity only: few writes leave at once, many
 * share a call. The version check and the write are one script on the server, so a repeated write changes nothing.
 *
 * <p>One failure is the end: everybody who waits is told, and nothing more is sent. The job then starts again from its
 * checkpoint. That holds for a lost connection too, since the server behind the next one may have forgotten its last second.
 */
final class OnlineStore implements AutoCloseable {
    private static final int CALLS_UNDER_WAY = 2;
    private static final int ENTITIES_A_CALL = 64; // enough to share its cost, few enough that others soon get their turn
    private static final Duration TIMEOUT = Duration.ofSeconds(5);

    private final Spec spec;
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

    /** Hears, once and on any thread, that the server has answered; {@code error} is null unless the write may not be there. */
    interface Waiter {
        void answered(Throwable error);
    }

    /** The newest values of an entity, and who waits for them. */
    private static final class Waiting {
        private Write newest;
        private final List<Waiter> waiters = new ArrayList<>(2);

        void add(Write write, Waiter waiter) {
            boolean isNewer = newest == null
                    || write.asOf > newest.asOf
                    || (write.asOf == newest.asOf && write.version >= newest.version);
            newest = isNewer ? write : newest;
            waiters.add(waiter);
        }
    }

    /** Connects; throws if the server does not answer. */
    OnlineStore(Spec spec, Counter accepted, Counter refused) {
        this.spec = spec;
        this.accepted = accepted;
        this.refused = refused;
        RedisURI uri = RedisURI.create(spec.redisUrl);
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
            digest = connection.sync().scriptLoad(spec.writeScript.getBytes(StandardCharsets.UTF_8));
        } catch (RuntimeException error) {
            client.shutdown(Duration.ZERO, Duration.ofSeconds(2));
            throw error;
        }
    }

    /** Writes values unless newer ones stand in the store; returns at once. */
    void write(Write write, Waiter waiter) {
        Throwable ended = gather(write, waiter);
        if (ended != null) {
            waiter.answered(ended);
        } else {
            send();
        }
    }

    private synchronized Throwable gather(Write write, Waiter waiter) {
        if (failure == null) {
            ByteBuffer place = ByteBuffer.allocate(write.key.length + write.versionField.length)
                    .put(write.key)
                    .put(write.versionField)
                    .flip();
            gathering.computeIfAbsent(place, none -> new Waiting()).add(write, waiter);
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
        List<Waiting> batch = new ArrayList<>(Math.min(gathering.size(), ENTITIES_A_CALL));
        Iterator<Waiting> rest = gathering.values().iterator();
        while (rest.hasNext() && batch.size() < ENTITIES_A_CALL) {
            batch.add(rest.next());
            rest.remove();
        }
        underWay++;
        return batch;
    }

    private CompletionStage<List<Long>> call(List<Waiting> batch) {
        try {
            byte[][] keys = batch.stream().map(waiting -> waiting.newest.key).toArray(byte[][]::new);
            List<byte[]> arguments = new ArrayList<>(32 * batch.size());
            arguments.add(number(spec.keyTtlSeconds));
            batch.forEach(waiting -> addArguments(arguments, waiting.newest));
            byte[][] values = arguments.toArray(byte[][]::new);
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
                ? connection.async().eval(spec.writeScript, ScriptOutputType.MULTI, keys, values)
                : CompletableFuture.failedStage(error);
    }

    private static void addArguments(List<byte[]> arguments, Write write) {
        arguments.add(write.versionField);
        arguments.add(number(write.asOf));
        arguments.add(number(write.version));
        arguments.add(number(2L * (write.fields.length + 1)));
        arguments.add(write.timestampField);
        arguments.add(Proto.timestamp(write.asOf));
        for (int at = 0; at < write.fields.length; at++) {
            arguments.add(write.fields[at]);
            arguments.add(write.values[at]);
        }
    }

    private static byte[] number(long number) {
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
