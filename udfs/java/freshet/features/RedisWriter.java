package freshet.features;

import java.util.Collection;
import java.util.List;

/** Writes entities, and passes on the cause of each. */
final class RedisWriter extends StoreWriter<Write, Cause> {
    RedisWriter(Spec spec) {
        super(spec.redisUrl, spec.writeScript, spec.keyTtlSeconds, "feature_writes");
    }

    @Override
    protected Collection<Cause> left(Write write) {
        return write.cause == null ? List.of() : List.of(write.cause);
    }
}
