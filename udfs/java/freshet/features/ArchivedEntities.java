package freshet.features;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** Adds up the archived events of each entity, for the features that are filled alone; each entity leaves once, at the end. */
final class ArchivedEntities extends KeyedProcessFunction<String, Touch, Seed> {
    private final Spec spec;
    private final Set<Long> filled;
    private transient Map<String, Spec.View> views;
    private transient ValueState<Entity> entities;

    ArchivedEntities(Spec spec, Set<Long> filled) {
        this.spec = spec;
        this.filled = filled;
    }

    @Override
    public void open(OpenContext context) {
        views = new HashMap<>();
        spec.views.forEach(view -> views.put(view.name, view));
        entities = getRuntimeContext()
                .getState(new ValueStateDescriptor<>("archived", new Entity.EntitySerializer()));
    }

    @Override
    public void processElement(Touch touch, Context context, Collector<Seed> out) throws Exception {
        Entity entity = entities.value();
        if (entity == null) {
            entity = new Entity();
            context.timerService().registerEventTimeTimer(Long.MAX_VALUE);
        }
        List<Spec.Feature> features = views.get(touch.cause.view).features;
        entity.take(features);
        entity.count++;
        entity.asOf = Math.max(entity.asOf, touch.cause.eventTime);
        for (int at = 0; at < features.size(); at++) {
            if (filled.contains(features.get(at).id)) {
                features.get(at).aggregate.add(
                        entity.state(at), touch.values[at], touch.cause.eventTime, touch.position, entity.asOf);
            }
        }
        entities.update(entity);
    }

    @Override
    public void onTimer(long timestamp, OnTimerContext context, Collector<Seed> out) throws Exception {
        out.collect(new Seed(context.getCurrentKey(), true, entities.value()));
        entities.clear();
    }
}
