package freshet.features;

import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.state.api.OperatorIdentifier;
import org.apache.flink.state.api.OperatorTransformation;
import org.apache.flink.state.api.SavepointReader;
import org.apache.flink.state.api.SavepointWriter;
import org.apache.flink.state.api.StateBootstrapTransformation;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/**
 * Makes of a savepoint of the features job one in which some features know the archived events too.
 *
 * <p>archived events -> a touch for each entity -> (by entity) features; with what the savepoint holds -> a new savepoint
 */
public final class Backfill {
    private Backfill() {}

    /** Returns for each partition of the clean topic the first offset that a savepoint's state does not hold. */
    public static Map<Integer, Long> offsets(String savepoint) throws IOException {
        return SavepointOffsets.read(savepoint);
    }

    /**
     * Writes the new savepoint.
     *
     * @param brought the events before the savepoint's offsets, as {@link FeatureJob#attach} is given them, and bounded
     * @param filled the ids of the features that are to hold these events and no others
     * @param spreadMs how long the restored job takes to write the entities that have changed
     */
    public static void write(
            StreamTableEnvironment tables,
            Table brought,
            String spec,
            String savepoint,
            String target,
            List<String> filled,
            long spreadMs)
            throws Exception {
        Spec parsed = Spec.parse(spec);
        Set<Long> ids = filled.stream().map(id -> Long.parseUnsignedLong(id, 16)).collect(Collectors.toSet());
        DataStream<Seed> archived = archived(tables, brought, parsed, new HashSet<>(ids));
        StreamExecutionEnvironment env = archived.getExecutionEnvironment();
        OperatorIdentifier engine = OperatorIdentifier.forUid(FeatureJob.ENGINE);
        DataStream<Seed> kept = SavepointReader.read(env, savepoint)
                .readKeyedState(engine, new KeptEntities(parsed), Types.STRING, Seed.TYPE);
        StateBootstrapTransformation<Seed> state = OperatorTransformation.bootstrapWith(kept.union(archived))
                .keyBy(seed -> seed.key, Types.STRING)
                .transform(new SeedEntities(parsed, ids, System.currentTimeMillis(), spreadMs));
        SavepointWriter.fromExistingSavepoint(env, savepoint)
                .removeOperator(engine)
                .withOperator(engine, state)
                .write(target);
        env.execute("freshet-backfill");
    }

    private static DataStream<Seed> archived(
            StreamTableEnvironment tables, Table brought, Spec spec, Set<Long> filled) {
        Set<String> views = spec.views.stream()
                .filter(view -> view.features.stream().anyMatch(feature -> filled.contains(feature.id)))
                .map(view -> view.name)
                .collect(Collectors.toSet());
        return FeatureJob.touches(tables, brought, spec)
                .filter(touch -> views.contains(touch.cause.view))
                .keyBy(Touch::entity, Types.STRING)
                .process(new ArchivedEntities(spec, filled))
                .returns(Seed.TYPE);
    }
}
