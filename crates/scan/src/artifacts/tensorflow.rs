//! TensorFlow: the operations of a SavedModel, its functions included, and Keras' configuration in it.

use std::io;

use super::proto::{self, Held};
use super::source::{Cursor, Source};
use super::{Scan, keras, rules, shown};

/// Operations that reach files, run Python, or load or call something. The names are a closed register of the runtime: an
/// operation that is not its own needs a library, which is machine code and found as such. Saving and restoring variables,
/// and tables read from the model's own assets, belong to honest SavedModels and are not here.
const REACHES_OUT: &str = "ReadFile WriteFile MatchingFiles WholeFileReader WholeFileReaderV2 TextLineReader TextLineReaderV2 \
    FixedLengthRecordReader FixedLengthRecordReaderV2 TFRecordReader TFRecordReaderV2 IdentityReader LMDBReader LMDBDataset \
    TextLineDataset TFRecordDataset TFRecordDatasetV2 FixedLengthRecordDataset FixedLengthRecordDatasetV2 SqlDataset \
    CSVDataset CSVDatasetV2 ExperimentalCSVDataset ExperimentalSqlDataset ExperimentalMatchingFilesDataset MatchingFilesDataset \
    DatasetToTFRecord ExperimentalDatasetToTFRecord SaveDataset SaveDatasetV2 LoadDataset SnapshotDataset SnapshotDatasetV2 \
    CacheDataset CacheDatasetV2 ImmutableConst PyFunc PyFuncStateless EagerPyFunc NumpyFunction PrintV2 Print \
    CreateSummaryFileWriter CreateSummaryDbWriter WriteSummary WriteGraphSummary WriteRawProtoSummary DebugIdentity \
    DebugIdentityV2 DebugIdentityV3 DebugNanCount DebugNumericSummary Rpc TryRpc RpcCall RpcClient RpcServer DataServiceDataset \
    DataServiceDatasetV2 RegisterDataset BigQueryReader GenerateBigQueryReaderPartitions \
    ConfigureDistributedTPU RemoteCall XlaLaunch ReadVariableFromFile GcsConfigureCredentials \
    RecordInput LoadAndRemapMatrix GenerateVocabRemapping MergeV2Checkpoints DistributedSave";

pub(crate) fn look(scan: &mut Scan, path: &str, source: &dyn Source) -> io::Result<()> {
    let mut cursor = Cursor::new(source, 0);
    let mut saved = false;
    let all = (0, source.size());
    proto::each(&mut cursor, all, &mut |_, field, held| {
        saved |= field == 1 && matches!(held, Held::Number(_));
        Ok(())
    })?;
    if saved {
        proto::each(&mut cursor, all, &mut |cursor, field, held| match (field, held) {
            (2, Held::Bytes(start, end)) => {
                proto::each(cursor, (start, end), &mut |cursor, field, held| match (field, held) {
                    (2, Held::Bytes(start, end)) => graph(scan, path, cursor, (start, end)),
                    _ => Ok(()),
                })
            }
            _ => Ok(()),
        })?;
    } else {
        graph(scan, path, &mut cursor, all)?;
    }
    keras::anywhere(scan, path, source)?;
    Ok(())
}

fn graph(scan: &mut Scan, path: &str, cursor: &mut Cursor, at: (u64, u64)) -> io::Result<()> {
    proto::each(cursor, at, &mut |cursor, field, held| match (field, held) {
        (1, Held::Bytes(start, end)) => node(scan, path, cursor, (start, end)),
        (2, Held::Bytes(start, end)) => {
            proto::each(cursor, (start, end), &mut |cursor, field, held| match (field, held) {
                (1, Held::Bytes(start, end)) => {
                    proto::each(cursor, (start, end), &mut |cursor, field, held| match (field, held) {
                        (3, Held::Bytes(start, end)) => node(scan, path, cursor, (start, end)),
                        _ => Ok(()),
                    })
                }
                _ => Ok(()),
            })
        }
        _ => Ok(()),
    })
}

fn node(scan: &mut Scan, path: &str, cursor: &mut Cursor, at: (u64, u64)) -> io::Result<()> {
    let (mut name, mut op) = (String::new(), String::new());
    proto::each(cursor, at, &mut |cursor, field, held| {
        match (field, held) {
            (1, Held::Bytes(..)) => name = proto::text(cursor, held)?,
            (2, Held::Bytes(..)) => op = proto::text(cursor, held)?,
            _ => {}
        }
        Ok(())
    })?;
    if REACHES_OUT.split_ascii_whitespace().any(|one| one == op) {
        let reason = format!("`{}` is a `{}`, which reaches beyond the model", shown(&name), shown(&op));
        scan.found(&rules::TENSORFLOW_OP, path, at.0, reason);
    }
    Ok(())
}
