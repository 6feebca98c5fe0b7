package freshet.features;

import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.state.api.functions.KeyedStateBootstrapFunction;

/**
 * Makes the state that {@link FeatureEngine} goes on from: of what was kept, with the filled features taken from the archive.
 *
 * <p>What the archive has changed is due: a timer for each such entity lets the engine write it, by the clock, since the
 * stream may be one of the past. They are spread over some time, so that a restored job is not held up by all of them at once.
 */
final class SeedEntities extends KeyedStateBootstrapFunction<String, Seed> {
    private final Spec spec;
    private final Set<Long> filled;
    private final long from;
    private final long spreadMs;
    private transient Map<String, Spec.View> views;
    private transient ValueState<Entity> entities;

    SeedEntities(Spec spec, Set<Long> filled, long from, long spreadMs) {
        this.spec = spec;
        this.filled = filled;
        this.from = from;
        this.spreadMs = spreadMs;
    }

    @Override
    public void open(OpenContext context) {
        views = new HashMap<>();
        spec.views.forEach(view -> views.put(view.name, view));
        entities = getRuntimeContext().getState(FeatureEngine.state(spec));
    }

    @Override
    public void processElement(Seed seed, Context context) throws Exception {
        Spec.View view = views.get(seed.key.split("\0", 2)[0]);
        Entity entity = view == null ? seed.entity : joined(seed, entities.value(), view);
        if (view != null) {
            entity.timer = FeatureEngine.nextExpiry(entity, view);
        }
        if (entity.isDue) {
            long due = from + Math.floorMod(seed.key.hashCode(), spreadMs + 1);
            context.timerService().registerProcessingTimeTimer(due);
        }
        if (entity.timer != Entity.NO_TIMER) {
            context.timerService().registerEventTimeTimer(entity.timer);
        }
        entities.update(entity);
    }

    /** Returns one entity of what has come now and what came before: at most one is of the archive, at most one was kept. */
    private Entity joined(Seed seed, Entity before, Spec.View view) {
        Entity archived = seed.isArchived ? seed.entity : before;
        Entity kept = seed.isArchived ? before : seed.entity;
        if (archived == null) {
            kept.take(view.features);
            return kept;
        }
        archived.isDue = true;
        archived.take(view.features);
        if (kept == null) {
            return archived;
        }
        kept.take(view.features);
        kept.isDue = true;
        kept.count = Math.max(kept.count, archived.count); // what was kept counts all events, unless it was once forgotten
        kept.asOf = Math.max(kept.asOf, archived.asOf);
        kept.adopt(archived, filled);
        return kept;
    }
}
