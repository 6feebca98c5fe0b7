package freshet.features;

import java.util.Collection;
import java.util.List;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.streaming.api.functions.async.ResultFuture;
import org.apache.flink.streaming.api.functions.async.RichAsyncFunction;

/**
 * Writes values to the online store, and passes on what they leave behind once the server has answered.
 *
 * <p>What has not been answered is part of Flink's checkpoint and is written again after a restart.
 */
public abstract class StoreWriter<V extends OnlineStore.Value, R> extends RichAsyncFunction<V, R> {
    private final String redisUrl;
    private final String script;
    private final long keyTtlSeconds;
    private final String metric;
    private transient OnlineStore store;

    /** Takes where the store is, the script that writes, how long a key lives, and the name of the metric of writes. */
    protected StoreWriter(String redisUrl, String script, long keyTtlSeconds, String metric) {
        this.redisUrl = redisUrl;
        this.script = script;
        this.keyTtlSeconds = keyTtlSeconds;
        this.metric = metric;
    }

    /** Returns what is passed on of a value that is written. */
    protected abstract Collection<R> left(V value);

    @Override
    public void open(OpenContext context) {
        MetricGroup metrics = getRuntimeContext().getMetricGroup().addGroup("freshet");
        store = new OnlineStore(
                redisUrl,
                script,
                List.of(OnlineStore.number(keyTtlSeconds)),
                metrics.counter(metric),
                metrics.counter(metric + "_refused"));
    }

    @Override
    public void asyncInvoke(V value, ResultFuture<R> future) {
        store.write(value, error -> {
            if (error == null) {
                future.complete(left(value));
            } else {
                future.completeExceptionally(error);
            }
        });
    }

    @Override
    public void close() {
        if (store != null) {
            store.close();
        }
    }
}
