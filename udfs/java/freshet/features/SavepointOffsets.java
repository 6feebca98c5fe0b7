package freshet.features;

import java.io.DataInputStream;
import java.io.IOException;
import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.connector.kafka.source.split.KafkaPartitionSplit;
import org.apache.flink.connector.kafka.source.split.KafkaPartitionSplitSerializer;
import org.apache.flink.core.fs.FSDataInputStream;
import org.apache.flink.runtime.checkpoint.OperatorState;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.state.OperatorStateHandle;
import org.apache.flink.state.api.runtime.SavepointLoader;

/** Where a job that reads one topic stood when a savepoint was made: what is before that is in its state, the rest is not. */
final class SavepointOffsets {
    private static final String READER_STATE = "SourceReaderState"; // SourceOperator's name for the splits that it reads

    private SavepointOffsets() {}

    /** Returns the first offset of each partition that the savepoint's state does not hold. */
    static Map<Integer, Long> read(String savepoint) throws IOException {
        Map<Integer, Long> offsets = new TreeMap<>();
        for (OperatorState operator : SavepointLoader.loadSavepointMetadata(savepoint).getOperatorStates()) {
            for (OperatorSubtaskState subtask : operator.getStates()) {
                for (OperatorStateHandle handle : subtask.getManagedOperatorState()) {
                    OperatorStateHandle.StateMetaInfo splits =
                            handle.getStateNameToPartitionOffsets().get(READER_STATE);
                    if (splits != null) {
                        addSplits(handle, splits.getOffsets(), offsets);
                    }
                }
            }
        }
        return offsets;
    }

    /** Adds what lies at the places of a file: a length, then the version, the length and the bytes of a split. */
    private static void addSplits(OperatorStateHandle handle, long[] places, Map<Integer, Long> offsets)
            throws IOException {
        KafkaPartitionSplitSerializer serializer = new KafkaPartitionSplitSerializer();
        try (FSDataInputStream file = handle.openInputStream()) {
            DataInputStream in = new DataInputStream(file);
            for (long place : places) {
                file.seek(place);
                in.readInt();
                int version = in.readInt();
                byte[] bytes = new byte[in.readInt()];
                in.readFully(bytes);
                KafkaPartitionSplit split = serializer.deserialize(version, bytes);
                offsets.put(split.getPartition(), Math.max(0, split.getStartingOffset())); // below 0: nothing read yet
            }
        }
    }
}
