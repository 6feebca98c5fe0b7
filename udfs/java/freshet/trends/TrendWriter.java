package freshet.trends;

import freshet.features.StoreWriter;
import java.util.Collection;
import java.util.List;

/** Writes rows and members of sets, of which nothing is passed on. */
final class TrendWriter extends StoreWriter<Put, Put> {
    TrendWriter(TrendSpec spec) {
        super(spec.redisUrl, spec.writeScript, spec.keyTtlSeconds, "trend_writes");
    }

    @Override
    protected Collection<Put> left(Put put) {
        return List.of();
    }
}
