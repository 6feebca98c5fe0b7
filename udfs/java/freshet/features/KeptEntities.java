package freshet.features;

import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.state.api.functions.KeyedStateReaderFunction;
import org.apache.flink.util.Collector;

/** Reads the entities of a savepoint. */
final class KeptEntities extends KeyedStateReaderFunction<String, Seed> {
    private final Spec spec;
    private transient ValueState<Entity> entities;

    KeptEntities(Spec spec) {
        this.spec = spec;
    }

    @Override
    public void open(OpenContext context) {
        entities = getRuntimeContext().getState(FeatureEngine.state(spec));
    }

    @Override
    public void readKey(String key, Context context, Collector<Seed> out) throws Exception {
        Entity entity = entities.value();
        if (entity != null) {
            out.collect(new Seed(key, false, entity));
        }
    }
}
