package freshet.trends;

import freshet.features.OnlineStore;
import java.util.List;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.streaming.api.functions.async.ResultFuture;
import org.apache.flink.streaming.api.functions.async.RichAsyncFunction;

/**
 * Writes rows and members of sets to the store; what has not been answered is part of Flink's checkpoint and is written again
 * after a restart.
 */
final class TrendWriter extends RichAsyncFunction<Put, Put> {
    private final TrendSpec spec;
    private transient OnlineStore store;

    TrendWriter(TrendSpec spec) {
        this.spec = spec;
    }

    @Override
    public void open(OpenContext context) {
        MetricGroup metrics = getRuntimeContext().getMetricGroup().addGroup("freshet");
        store = new OnlineStore(
                spec.redisUrl,
                spec.writeScript,
                List.of(OnlineStore.number(spec.keyTtlSeconds)),
                metrics.counter("trend_writes"),
                metrics.counter("trend_writes_refused"));
    }

    @Override
    public void asyncInvoke(Put put, ResultFuture<Put> future) {
        store.write(put, error -> {
            if (error == null) {
                future.complete(List.of());
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
