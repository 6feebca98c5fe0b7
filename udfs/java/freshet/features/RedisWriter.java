package freshet.features;

import java.util.Collections;
import java.util.List;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.streaming.api.functions.async.ResultFuture;
import org.apache.flink.streaming.api.functions.async.RichAsyncFunction;

/**
 * Writes entities to the online store and passes on the cause of each once the server has answered.
 *
 * <p>What has not been answered is part of Flink's checkpoint and is written again after a restart.
 */
final class RedisWriter extends RichAsyncFunction<Write, Cause> {
    private final Spec spec;
    private transient OnlineStore store;

    RedisWriter(Spec spec) {
        this.spec = spec;
    }

    @Override
    public void open(OpenContext context) {
        MetricGroup metrics = getRuntimeContext().getMetricGroup().addGroup("freshet");
        store = new OnlineStore(
                spec.redisUrl,
                spec.writeScript,
                List.of(OnlineStore.number(spec.keyTtlSeconds)),
                metrics.counter("feature_writes"),
                metrics.counter("feature_writes_refused"));
    }

    @Override
    public void asyncInvoke(Write write, ResultFuture<Cause> future) {
        store.write(write, error -> {
            if (error == null) {
                future.complete(write.cause == null ? Collections.emptyList() : List.of(write.cause));
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
